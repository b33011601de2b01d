# Written by `OXIDIS_UPDATE_PACKAGE=1 cargo test packaged`.
complete -c oxidis -n '__fish_is_first_token' -l help -d 'print this help'
complete -c oxidis -n '__fish_is_first_token' -l version -d 'print the version'
complete -c oxidis -n '__fish_is_first_token' -l check-config -d 'read the configuration that follows, and exit'
complete -c oxidis -n '__fish_is_first_token' -l convert -d 'write the data of a file as a snapshot for another server, and exit'
complete -c oxidis -n '__fish_is_first_token' -l check-system -d 'look for unsuitable settings of the system, and exit'
complete -c oxidis -n '__fish_is_first_token' -l test-memory -d 'test that many megabytes of memory, and exit'
complete -c oxidis -n '__fish_is_first_token' -l check-aof -d 'check, and repair, an append-only file'
complete -c oxidis -n '__fish_is_first_token' -l check-rdb -d 'check a snapshot'
complete -c oxidis -l bind -d 'Addresses to listen on'
complete -c oxidis -l bind-source-addr -d 'Address from which connections to other servers start, on machines that have several'
complete -c oxidis -l port -d 'TCP port without encryption'
complete -c oxidis -l protected-mode -d 'While the default user has no password, serve clients of this machine only'
complete -c oxidis -l tcp-backlog -d 'Connections that the kernel holds until the server takes them'
complete -c oxidis -l tcp-keepalive -d 'Seconds of silence after which the kernel asks whether a client is still there'
complete -c oxidis -l tcp-keepalive-probes -d 'How many such questions in a row a client may leave unanswered before it is disconnected'
complete -c oxidis -l timeout -d 'Seconds after which a client that sends nothing is disconnected'
complete -c oxidis -l unixsocket -d 'Path of a Unix socket to listen on'
complete -c oxidis -l unixsocketgroup -d 'Group that owns the socket'
complete -c oxidis -l unixsocketperm -d 'Permission bits of the socket, in octal such as 770'
complete -c oxidis -l maxclients -d 'Clients at a time'
complete -c oxidis -l max-new-connections-per-cycle
complete -c oxidis -l max-new-tls-connections-per-cycle
complete -c oxidis -l maxclients-reserved -d 'Of `maxclients`, places that only clients from `priority-subnets` may take'
complete -c oxidis -l priority-subnets -d 'Networks in which these clients are, such as 10.0.0.0/8 fd00'
complete -c oxidis -l client-output-buffer-limit -d 'Output that a client may leave unread'
complete -c oxidis -l client-query-buffer-limit -d 'Bytes that a client may send without completing a command'
complete -c oxidis -l proto-max-bulk-len -d 'Largest size of one argument of a command, in bytes'
complete -c oxidis -l maxmemory-clients -d 'Memory of all clients together'
complete -c oxidis -l tls-port -d 'Port on which TLS is spoken'
complete -c oxidis -l tls-cert-file -d 'Certificate of the server, in PEM with the certificates between it and the authority'
complete -c oxidis -l tls-key-file -d 'Private key of that certificate, in PEM'
complete -c oxidis -l tls-key-file-pass -d 'Password of that key, if it is encrypted'
complete -c oxidis -l tls-client-cert-file
complete -c oxidis -l tls-client-key-file
complete -c oxidis -l tls-client-key-file-pass
complete -c oxidis -l tls-ca-cert-file
complete -c oxidis -l tls-ca-cert-dir
complete -c oxidis -l tls-auth-clients -d 'Whether clients must show a certificate'
complete -c oxidis -l tls-auth-clients-user -d 'Logs a client in as the user that its certificate names'
complete -c oxidis -l tls-replication
complete -c oxidis -l tls-cluster
complete -c oxidis -l tls-protocols -d 'Versions that are spoken, such as "TLSv1.2 TLSv1.3"'
complete -c oxidis -l tls-ciphers -d 'Ciphers of TLS 1.2, names joined by colons'
complete -c oxidis -l tls-ciphersuites -d 'Ciphers of TLS 1.3, names joined by colons'
complete -c oxidis -l tls-prefer-server-ciphers -d 'Choose the cipher that the server prefers, not the one that the client does'
complete -c oxidis -l tls-session-caching
complete -c oxidis -l tls-session-cache-size
complete -c oxidis -l tls-session-cache-timeout
complete -c oxidis -l tls-dh-params-file -d 'Diffie-Hellman parameters in PEM, for old clients'
complete -c oxidis -l metrics-port -d 'Port on which HTTP serves /metrics for Prometheus, and a page that shows what the server is doing'
complete -c oxidis -l metrics-bind -d 'Addresses for it, as in `bind`'
complete -c oxidis -l metrics-user -d 'User of the server whose name and password a request has to bring'
complete -c oxidis -l metrics-tls -d 'Whether that port speaks TLS, with the certificate above'
complete -c oxidis -l bigkeys-scan -d 'Search for big keys in the background, a little at a time, for the page and the metrics'
complete -c oxidis -l daemonize -d 'Go into the background'
complete -c oxidis -l supervised -d 'Who is told that the server is ready'
complete -c oxidis -l pidfile -d 'File into which the process id is written'
complete -c oxidis -l databases -d 'How many databases there are, for SELECT'
complete -c oxidis -l hz -d 'Turns of periodic work in a second, 1 to 500'
complete -c oxidis -l dynamic-hz -d 'Take more turns while there are many clients'
complete -c oxidis -l shutdown-timeout -d 'Seconds that a shutdown waits for replicas to receive the last writes'
complete -c oxidis -l shutdown-on-sigint
complete -c oxidis -l shutdown-on-sigterm
complete -c oxidis -l set-proc-title
complete -c oxidis -l proc-title-template
complete -c oxidis -l always-show-logo -d 'Print the logo at start even when the log is no terminal'
complete -c oxidis -l disable-thp -d 'Switch transparent huge pages off for this process'
complete -c oxidis -l oom-score-adj
complete -c oxidis -l oom-score-adj-values
complete -c oxidis -l availability-zone -d 'Where the server stands'
complete -c oxidis -l hash-seed -d 'Secret from which the order of keys in SCAN follows'
complete -c oxidis -l use-exit-on-panic -d 'End rather than abort on an internal error, so that no core file is written'
complete -c oxidis -l import-mode -d 'Data is being brought here from another server'
complete -c oxidis -l loglevel -d 'How much is logged'
complete -c oxidis -l logfile -d 'File to log to'
complete -c oxidis -l log-format -d 'How a line looks'
complete -c oxidis -l log-timestamp-format -d 'How the time stands in it'
complete -c oxidis -l syslog-enabled
complete -c oxidis -l syslog-ident
complete -c oxidis -l syslog-facility
complete -c oxidis -l hide-user-data-from-log -d 'Leave names, keys and values that clients sent out of the log, and out of reports on crashes'
complete -c oxidis -l crash-log-enabled -d 'Write a report with the state of the server into the log when it crashes'
complete -c oxidis -l requirepass -d 'Password of the default user, for AUTH'
complete -c oxidis -l aclfile -d 'File with users, one in a line, read at start and by ACL LOAD and written by ACL SAVE'
complete -c oxidis -l acllog-max-len -d 'Refused attempts that ACL LOG remembers'
complete -c oxidis -l acl-pubsub-default -d 'Channels that a new user may use'
complete -c oxidis -l enable-protected-configs
complete -c oxidis -l enable-debug-command
complete -c oxidis -l enable-module-command
complete -c oxidis -l maxmemory -d 'Bytes that data and clients may take'
complete -c oxidis -l maxmemory-policy -d 'Which keys make room'
complete -c oxidis -l maxmemory-samples -d 'Keys that are compared for each that goes'
complete -c oxidis -l maxmemory-eviction-tenacity -d 'How long eviction may keep commands waiting'
complete -c oxidis -l lfu-log-factor -d 'How slowly the counter of a key grows with its use, for the lfu policies'
complete -c oxidis -l lfu-decay-time -d 'Minutes after which an unused key loses one of that count'
complete -c oxidis -l active-expire-effort -d 'How hard expired keys are looked for, 1 to 10'
complete -c oxidis -l lazyfree-lazy-eviction
complete -c oxidis -l lazyfree-lazy-expire
complete -c oxidis -l lazyfree-lazy-server-del
complete -c oxidis -l lazyfree-lazy-user-del
complete -c oxidis -l lazyfree-lazy-user-flush
complete -c oxidis -l activerehashing -d 'Use idle time to move on with growing tables'
complete -c oxidis -l activedefrag -d 'Has to stay no'
complete -c oxidis -l hash-max-listpack-entries
complete -c oxidis -l hash-max-listpack-value
complete -c oxidis -l set-max-listpack-entries
complete -c oxidis -l set-max-listpack-value
complete -c oxidis -l zset-max-listpack-entries
complete -c oxidis -l zset-max-listpack-value
complete -c oxidis -l set-max-intset-entries -d 'Most members of a set of whole numbers that is kept as numbers'
complete -c oxidis -l hash-min-template-entries
complete -c oxidis -l hash-max-template-entries
complete -c oxidis -l hash-rdb-load-min-template-entries
complete -c oxidis -l hash-rdb-load-max-template-entries
complete -c oxidis -l hash-rdb-load-template-disassembly-threshold -d 'Hashes of a snapshot that have to share names for that to stay so'
complete -c oxidis -l list-max-listpack-size -d 'Elements in one node of a list'
complete -c oxidis -l list-compress-depth -d 'Nodes at both ends of a list that are not compressed'
complete -c oxidis -l hll-sparse-max-bytes -d 'Bytes up to which a HyperLogLog is kept sparse'
complete -c oxidis -l stream-node-max-bytes
complete -c oxidis -l stream-node-max-entries
complete -c oxidis -l stream-idmp-duration
complete -c oxidis -l stream-idmp-maxsize
complete -c oxidis -l array-slice-size -d 'Elements that one slice of a new array may have'
complete -c oxidis -l array-sparse-kmax
complete -c oxidis -l array-sparse-kmin
complete -c oxidis -l bitmap-default-roaring -d 'Commands that write bits make compressed bitmaps instead of strings'
complete -c oxidis -l save -d 'When a snapshot is made without being asked for'
complete -c oxidis -l dir -d 'Folder of all files the server writes'
complete -c oxidis -l dbfilename -d 'Name of the snapshot, in that folder'
complete -c oxidis -l rdbcompression -d 'Compress long strings in it'
complete -c oxidis -l rdbchecksum -d 'End the file with a checksum, which is checked at start'
complete -c oxidis -l bgsave-default-method -d 'How snapshots are made in the background'
complete -c oxidis -l snapshot-cpu-percent -d 'Share of the event loop\'s time that goes into snapshots without a child while clients are served, in percent'
complete -c oxidis -l stop-writes-on-bgsave-error -d 'Refuse writes after a snapshot failed, so that somebody notices'
complete -c oxidis -l rdb-del-sync-files -d 'Delete snapshots that were made only for replicas, where neither `save` nor `appendonly` wants any'
complete -c oxidis -l rdb-save-incremental-fsync -d 'Hand the file to the disk a few megabytes at a time while it is written, instead of all at its end'
complete -c oxidis -l sanitize-dump-payload -d 'Check values deeply before they are taken from snapshots and RESTORE'
complete -c oxidis -l rdb-version-check -d 'What happens to snapshots of versions that are not known'
complete -c oxidis -l rdb-load-skip-unknown-modules -d 'Leave out keys whose values belong to modules, instead of refusing the file'
complete -c oxidis -l rdb-save-for -d 'Write snapshots that an older or another server can load, such as 7.2 or valkey-8.0'
complete -c oxidis -l backupdirname
complete -c oxidis -l backup-sealed-ttl
complete -c oxidis -l rdb-key-save-delay
complete -c oxidis -l key-load-delay
complete -c oxidis -l loading-process-events-interval-bytes
complete -c oxidis -l preload-file -d 'What is loaded at start in place of the server\'s own files'
complete -c oxidis -l appendonly -d 'Write every change to a log that is read at start'
complete -c oxidis -l appendfilename
complete -c oxidis -l appenddirname
complete -c oxidis -l appendfsync -d 'When it reaches the disk'
complete -c oxidis -l no-appendfsync-on-rewrite -d 'Don\'t wait for the disk while a child writes a snapshot or a new log'
complete -c oxidis -l auto-aof-rewrite-percentage
complete -c oxidis -l auto-aof-rewrite-min-size
complete -c oxidis -l aof-rewrite-incremental-fsync -d 'Hand the new log to the disk a few megabytes at a time while it is written'
complete -c oxidis -l aof-load-truncated -d 'Load a log whose end is cut off, as after a power failure'
complete -c oxidis -l aof-use-rdb-preamble -d 'Begin a rewritten log with a snapshot, which is smaller and faster to load'
complete -c oxidis -l aof-timestamp-enabled -d 'Write times into the log, so that oxidis --check-aof --truncate-to-timestamp can cut it off at one'
complete -c oxidis -l aof-disable-auto-gc -d 'Keep files of the log that are no longer needed'
complete -c oxidis -l replicaof -d 'Host and port of the primary whose data this server copies'
complete -c oxidis -l masteruser
complete -c oxidis -l masterauth
complete -c oxidis -l replica-serve-stale-data -d 'Answer reads while the link to the primary is lost or the first copy under way, with what there is'
complete -c oxidis -l replica-read-only -d 'Refuse writes of clients'
complete -c oxidis -l replica-ignore-maxmemory -d 'Leave eviction to the primary, so that both have the same keys'
complete -c oxidis -l replica-lazy-flush -d 'Drop old data on another thread before a full copy is loaded'
complete -c oxidis -l replica-priority -d 'Order in which Sentinels promote replicas, the lowest first'
complete -c oxidis -l replica-announced
complete -c oxidis -l replica-announce-ip
complete -c oxidis -l replica-announce-port
complete -c oxidis -l repl-diskless-sync -d 'Send full copies to replicas directly, without a file in between'
complete -c oxidis -l repl-diskless-sync-delay
complete -c oxidis -l repl-diskless-sync-max-replicas
complete -c oxidis -l repl-diskless-load -d 'Load full copies directly from the socket'
complete -c oxidis -l repl-disable-tcp-nodelay -d 'Collect small packets to replicas'
complete -c oxidis -l repl-ping-replica-period -d 'Seconds between pings to replicas'
complete -c oxidis -l repl-timeout -d 'Seconds of silence after which a link counts as dead'
complete -c oxidis -l repl-backlog-size -d 'Bytes of the latest writes that are kept for replicas that come back, so that they need no full copy'
complete -c oxidis -l repl-backlog-ttl -d 'Seconds after which they are dropped if there is no replica'
complete -c oxidis -l min-replicas-to-write
complete -c oxidis -l min-replicas-max-lag
complete -c oxidis -l propagation-error-behavior -d 'What follows when a replicated or logged command fails'
complete -c oxidis -l repl-rdb-channel
complete -c oxidis -l dual-channel-replication-enabled
complete -c oxidis -l replica-full-sync-buffer-limit -d 'Bytes of writes that may wait so while a full copy is loaded'
complete -c oxidis -l cluster-enabled -d 'Be a node of a cluster'
complete -c oxidis -l cluster-config-file -d 'File in which the node remembers the cluster'
complete -c oxidis -l cluster-config-save-behavior -d 'What follows when that file cannot be written'
complete -c oxidis -l cluster-port -d 'Port of the bus between nodes'
complete -c oxidis -l cluster-node-timeout -d 'Milliseconds of silence after which a node counts as failed, and its replica may take over'
complete -c oxidis -l cluster-replica-validity-factor -d 'How old the data of a replica may be that takes over, in node timeouts'
complete -c oxidis -l cluster-replica-no-failover -d 'Never take over by itself'
complete -c oxidis -l cluster-manual-failover-timeout -d 'Milliseconds that a manual failover may take'
complete -c oxidis -l cluster-allow-replica-migration
complete -c oxidis -l cluster-migration-barrier
complete -c oxidis -l cluster-require-full-coverage -d 'Stop serving when a slot has no node'
complete -c oxidis -l cluster-allow-reads-when-down
complete -c oxidis -l cluster-allow-pubsubshard-when-down
complete -c oxidis -l cluster-link-sendbuf-limit -d 'Bytes that may wait on a link between nodes before it is closed'
complete -c oxidis -l cluster-announce-ip
complete -c oxidis -l cluster-announce-hostname
complete -c oxidis -l cluster-announce-port
complete -c oxidis -l cluster-announce-tls-port
complete -c oxidis -l cluster-announce-bus-port
complete -c oxidis -l cluster-announce-client-ipv4
complete -c oxidis -l cluster-announce-client-ipv6
complete -c oxidis -l cluster-announce-client-port
complete -c oxidis -l cluster-announce-client-tls-port
complete -c oxidis -l cluster-announce-human-nodename -d 'A name of the node for people, in logs'
complete -c oxidis -l cluster-preferred-endpoint-type -d 'How clients are sent to other nodes'
complete -c oxidis -l cluster-blacklist-ttl -d 'Seconds for which a node that was forgotten is not learnt of again from others'
complete -c oxidis -l cluster-slot-stats-enabled -d 'What is counted for each slot, for CLUSTER SLOT-STATS'
complete -c oxidis -l cluster-slot-migration-handoff-max-lag-bytes
complete -c oxidis -l cluster-slot-migration-write-pause-timeout
complete -c oxidis -l cluster-slot-migration-sync-buffer-drain-timeout
complete -c oxidis -l cluster-slot-migration-max-archived-tasks
complete -c oxidis -l busy-reply-threshold -d 'Milliseconds after which other clients are told that a script is running, and may end it'
complete -c oxidis -l lua-enable-deprecated-api -d 'Offer functions to scripts that have long been advised against'
complete -c oxidis -l notify-keyspace-events -d 'Events about keys that are published'
complete -c oxidis -l tracking-table-max-keys -d 'Keys that are remembered for clients that cache'
complete -c oxidis -l slowlog-log-slower-than
complete -c oxidis -l slowlog-max-len
complete -c oxidis -l slowlog-entry-max-argc
complete -c oxidis -l slowlog-entry-max-string-len
complete -c oxidis -l commandlog-request-larger-than
complete -c oxidis -l commandlog-large-request-max-len
complete -c oxidis -l commandlog-reply-larger-than
complete -c oxidis -l commandlog-large-reply-max-len
complete -c oxidis -l latency-monitor-threshold -d 'Milliseconds from which on the latency monitor remembers an event'
complete -c oxidis -l latency-tracking
complete -c oxidis -l latency-tracking-info-percentiles
