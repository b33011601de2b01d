#compdef oxidis-cli
# Written by `OXIDIS_UPDATE_PACKAGE=1 cargo test packaged`.
_arguments \
    '-h[Host of the server (127.0.0.1).]:host: ' \
    '-p[Port of the server (6379).]:port: ' \
    '-t[How long connecting may take; may be 0.1. 0 leaves that to the system.]:seconds: ' \
    '-s[Unix socket of the server, instead of host and port.]:path:_files' \
    '-u[redis://\[\[user:\]password@\]\[host\[:port\]\]\[/db\], or rediss:// for TLS.]:uri: ' \
    '-a[Password. It is safer in the environment, as REDISCLI_AUTH.]:password: ' \
    '--pass[Password. It is safer in the environment, as REDISCLI_AUTH.]:password: ' \
    '--user[User the password belongs to.]:name: ' \
    '--askpass[Asks for the password; -a and REDISCLI_AUTH don'\''t count then.]' \
    '--no-auth-warning[Says nothing about passwords on the command line.]' \
    '-n[Number of the database (0).]:db: ' \
    '-c[Goes where a node of a cluster sends it.]' \
    '-2[Speaks RESP2.]' \
    '-3[Speaks RESP3.]' \
    '-4[Tries addresses of IPv4 first.]' \
    '-6[Tries addresses of IPv6 first.]' \
    '--tls[Speaks TLS.]' \
    '--sni[Name that is asked for, and expected in the certificate.]:host: ' \
    '--cacert[Certificates of those who may have signed the server'\''s.]:file:_files' \
    '--cacertdir[A directory of such certificates.]:dir:_files' \
    '--insecure[Doesn'\''t check the server'\''s certificate.]' \
    '--cert[Our own certificate.]:file:_files' \
    '--key[Our private key.]:file:_files' \
    '--tls-ciphers[Ciphers for TLS 1.2, the best first.]:list: ' \
    '--tls-ciphersuites[Cipher suites for TLS 1.3, the best first.]:list: ' \
    '-r[Runs the command so many times; -1 without end.]:times: ' \
    '-i[Rests between repetitions, lines of --stat and rounds of --scan, and after 100 rounds of --bigkeys, --memkeys and --hotkeys. May be 0.1.]:seconds: ' \
    '-x[Reads the last argument of the command from standard input.]' \
    '-X[Reads the argument that is <tag> from standard input.]:tag: ' \
    '--quoted-input[Reads each argument of the command as a quoted string.]' \
    '-e[Ends with status 1 when the server answers with an error.]' \
    '--raw[Prints replies as they are, which is usual off a terminal.]' \
    '--no-raw[Prints replies for people, off a terminal too.]' \
    '-d[Stands between the elements of a raw reply (a line break).]:text: ' \
    '-D[Stands behind each raw reply (a line break).]:text: ' \
    '--csv[Prints comma-separated values.]' \
    '--json[Prints JSON, made of RESP3 unless -2 is given.]' \
    '--quoted-json[Prints JSON in plain ASCII, other bytes escaped.]' \
    '--show-pushes[Prints pushes of RESP3 when they come; usual on a terminal.]:yes|no: ' \
    '--eval[Runs a Lua script: keys, a comma, and other arguments follow.]:file:_files' \
    '--pipe[Sends requests, in the protocol, from standard input to the server.]' \
    '--pipe-timeout[How long --pipe waits for a reply at the end (30); 0 for ever.]:seconds: ' \
    '--rdb[Fetches a snapshot of the data set; - for standard output.]:file:_files' \
    '--functions-rdb[Fetches a snapshot of the functions alone.]:file:_files' \
    '--replica[Becomes a replica and prints what it is sent.]' \
    '--slave[Becomes a replica and prints what it is sent.]' \
    '--scan[Lists keys, through SCAN.]' \
    '--pattern[Keys that --scan, --bigkeys, --memkeys and --hotkeys look at.]:glob: ' \
    '--quoted-pattern[The same as a quoted string.]:glob: ' \
    '--count[Keys to ask for at a time.]:number: ' \
    '--type[Type of keys that --scan lists.]:type: ' \
    '--bigkeys[Looks for keys with many elements.]' \
    '--memkeys[Looks for keys that take much memory.]' \
    '--memkeys-samples[The same, with so many elements of each key looked at.]:number: ' \
    '--keystats[Tells memory and lengths of keys, and how these are distributed.]' \
    '--keystats-samples[The same, with so many elements of each key looked at.]:number: ' \
    '--cursor[Cursor at which looking at keys begins, as --keystats tells it on Ctrl-C.]:number: ' \
    '--top[Largest keys that --keystats shows (10).]:number: ' \
    '--hotkeys[Looks for keys that are used often; maxmemory-policy must be one of LFU.]' \
    '--stat[Prints a line about the server every second, or -i.]' \
    '--latency[Measures how long PING takes: on a terminal on and on, otherwise for a second, or -i, and one line.]' \
    '--latency-history[The same, with a new line every 15 seconds, or -i.]' \
    '--latency-dist[Shows the distribution of latencies as a spectrum every second, or -i.]' \
    '--mono[That spectrum in shades of grey.]' \
    '--intrinsic-latency[Measures how long this machine keeps a busy program waiting.]:seconds: ' \
    '--lru-test[Plays the client of a cache with that many keys, a fifth of them hot.]:keys: ' \
    '--cluster[Looks after a cluster: makes one, checks it, moves slots. "--cluster help" names the commands and the words behind them.]:command: ' \
    '--cluster-weight[Words <id>=<weight>: parts of the slots that rebalance gives to primaries (1). The beginning of an id will do.]:weights: ' \
    '--verbose[rebalance tells the balance of each primary.]' \
    '--help[Prints this.]' \
    '-v[Prints the version.]' \
    '--version[Prints the version.]' \
    '--cluster-replicas[Replicas that create gives each primary (0).]:number: ' \
    '--cluster-yes[create and reshard ask nothing. So does REDISCLI_CLUSTER_YES=1 in the environment.]' \
    '--cluster-from[Nodes that reshard takes slots from, with commas between, or "all"; for import host:port of the server.]:ids: ' \
    '--cluster-to[Node that reshard gives slots to.]:id: ' \
    '--cluster-slots[Slots that reshard moves.]:number: ' \
    '--cluster-timeout[How long a node may stay silent while keys are moved to it (60000).]:milliseconds: ' \
    '--cluster-pipeline[Keys that are moved together (10).]:number: ' \
    '--cluster-replace[Keys that are moved replace those of the same name.]' \
    '--cluster-copy[import leaves the keys where they were, too.]' \
    '--cluster-threshold[How far from its share rebalance leaves a primary (2).]:percent: ' \
    '--cluster-use-empty-masters[rebalance gives slots to primaries that have none.]' \
    '--cluster-simulate[rebalance only shows what it would do.]' \
    '--cluster-search-multiple-owners[check and fix look for slots and keys that several nodes have.]' \
    '--cluster-fix-with-unreachable-masters[fix gives slots of primaries that can'\''t be reached to others. Their keys may be lost.]' \
    '--cluster-slave[add-node makes the node a replica.]' \
    '--cluster-master-id[Primary of that replica, otherwise one with the fewest.]:id: ' \
    '--cluster-only-masters[call leaves replicas out.]' \
    '--cluster-only-replicas[call leaves primaries out.]' \
    '--cluster-from-user[User for the server that import reads from.]:name: ' \
    '--cluster-from-pass[Password for the server that import reads from.]:password: ' \
    '--cluster-from-askpass[Asks for the password for the server that import reads from.]' \
    '*::command: '
