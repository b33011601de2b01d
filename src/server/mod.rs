//! The server's parts, and the few operations that span several of them.
//!
//! [`Server`] owns everything but the databases and the sockets' event loop: a command works on `Databases` and
//! `Server` side by side (see [`crate::server::execution::Ctx`]), so that a value borrowed from a database leaves the
//! rest of the server free to be used.

pub mod apply;
pub mod clients;
pub mod cluster;
pub mod crash;
pub mod cron;
pub mod effects;
pub mod event_loop;
pub mod evict;
pub mod execution;
pub mod modes;
pub mod observe;
pub mod oom_score;
pub mod pause;
pub mod persistence;
pub mod propagate;
pub mod replica_mode;
pub mod replication;
pub mod scripting;
pub mod shutdown;
pub mod signals;
pub mod start;
pub mod state;
#[cfg(test)]
pub mod testbed;
pub mod title;
pub mod web;

use std::collections::BTreeSet;
use std::path::PathBuf;

use mio::net::TcpStream;

use crate::client::Blocked;
use crate::client::acl::Acl;
use crate::client::pubsub::PubSub;
use crate::client::registry::Clients;
use crate::client::tracking::Tracking;
use crate::command::{CommandId, CommandTable, Error};
use crate::config::{Config, NotifyFlags, SnapshotMethod};
use crate::db::Databases;
use crate::db::lazyfree::Lazily;
use crate::db::waiters::Waiters;
use crate::db::watch::Watches;
use crate::net::deadlines::Deadlines;
use crate::net::listeners::Listeners;
use crate::net::outgoing::Links;
use crate::net::{ClientKey, tls};
use crate::peers::cluster::file::ConfFile;
use crate::peers::repl::{self, Replication};
use crate::persist::Persist;
use crate::persist::child::Child;
use crate::persist::forkless::Feed;
use crate::resp::request::{ArgView, OwnedRequest};
use crate::script::Scripting;
use crate::script::functions::Host;
use crate::server::cluster::moves::state::Moves;
use crate::server::cluster::wires::Bus;
use crate::server::effects::{Effects, Observers};
use crate::server::execution::row::Rows;
use crate::server::modes::ServerModes;
use crate::server::observe::command_log::{self, CommandLog, Kind, LoggedCommand, Measured};
use crate::server::observe::hotkeys::Hotkeys;
use crate::server::observe::latency::Latency;
use crate::server::observe::stats::Stats;
use crate::server::pause::Pause;
use crate::server::persistence::load_state::Loading;
use crate::server::state::{CronState, PendingShutdown, Shutdown};
use crate::server::web::state::Web;
use crate::util::clock::Clock;
use crate::util::oom_score::OomScore;
use crate::util::process_title::ProcessTitle;
use crate::util::random::Random;

const UNSAVED: Error = Error::fixed(
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that \
     may modify the data set are disabled, because this instance is configured to report errors during writes if RDB \
     snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB \
     error.",
);

/// The server.
#[derive(Debug)]
pub struct Server {
    /// All directives.
    pub config: Config,
    /// Time.
    pub clock: Clock,
    /// Random numbers.
    pub random: Random,
    /// All commands,
    pub commands: CommandTable,
    /// and their handlers.
    pub rows: Rows,
    /// Users and their rights.
    pub acl: Acl,
    /// All clients.
    pub clients: Clients,
    /// Channels and patterns.
    pub pubsub: PubSub,
    /// CLIENT TRACKING.
    pub tracking: Tracking,
    /// Keys under WATCH.
    pub watches: Watches,
    /// Keys that blocked clients wait on.
    pub waiters: Waiters,
    /// When blocked clients give up.
    pub deadlines: Deadlines,
    /// CLIENT PAUSE.
    pub pause: Pause,
    /// Effects noted while a command runs.
    pub effects: Effects,
    /// Who wants to know of changes.
    pub observers: Observers,
    /// Conditions the gate looks at.
    pub modes: ServerModes,
    /// Scripts and functions.
    pub script: Scripting,
    /// What is counted.
    pub stats: Stats,
    /// SLOWLOG and COMMANDLOG.
    pub command_log: CommandLog,
    /// HOTKEYS.
    pub hotkeys: Hotkeys,
    /// LATENCY.
    pub latency: Latency,
    /// The client whose command runs, while messages are sent.
    pub current: Option<ClientKey>,
    /// HTTP.
    pub web: Web,
    /// Ends the event loop at the end of the turn.
    pub shutdown: Option<Shutdown>,
    /// An end that is on its way.
    pub pending_shutdown: Option<PendingShutdown>,
    /// The sockets listened on.
    pub listeners: Listeners,
    /// TLS, once it is set up.
    pub tls: Option<tls::Settings>,
    /// Clients whose postponed command is to be run now.
    pub to_resume: Vec<ClientKey>,
    /// Memory may exceed `maxmemory`: eviction begins, or goes on, before the next wait.
    pub evicting: bool,
    /// Connections to other servers.
    pub links: Links,
    /// Snapshots and the like.
    pub persist: Persist,
    /// The load on its way.
    pub loading: Option<Loading>,
    /// The cron's memory.
    pub cron: CronState,
    /// When the log last told of a client that speaks another protocol, in Unix seconds.
    pub attack_logged_s: i64,
    /// A transaction or script runs.
    pub in_exec: bool,
    /// What TIME tells it, once it has asked, in Unix microseconds.
    pub frozen_time_us: Option<i64>,
    /// What the client waited for whose blocked command runs again.
    pub rerunning: Option<Box<Blocked>>,
    /// Clients in MONITOR mode.
    pub monitors: BTreeSet<ClientKey>,
    /// Active expiry can be switched off by DEBUG SET-ACTIVE-EXPIRE.
    pub active_expire: bool,
    /// List elements of so many bytes have nodes of their own: DEBUG QUICKLIST-PACKED-THRESHOLD.
    pub plain_from: Option<usize>,
    /// Forty hexadecimal digits that name this process.
    pub run_id: String,
    /// Replication.
    pub repl: Replication,
    /// What it knows of its cluster, if it is a node of one,
    pub cluster: Option<Box<crate::peers::cluster::State>>,
    /// and the file it keeps that in.
    pub nodes_conf: Option<ConfFile>,
    /// How much its slots are used, if that is counted.
    pub slot_usage: Option<observe::slot_usage::SlotUsage>,
    /// Slots on their way,
    pub moves: Moves,
    /// The sockets of the bus.
    pub bus: Bus,
    /// Memory in use when it was ready, in bytes.
    pub startup_memory: usize,
    /// The program as it was called.
    pub program: String,
    /// The program file, absolute.
    pub executable: PathBuf,
    /// What INFO says about who watches over the process.
    pub supervisor: &'static str,
    /// The title of the process, where it can be changed.
    pub title: Option<ProcessTitle>,
    /// The kernel's score for ending the process.
    pub oom_score: OomScore,
    /// Receives what is propagated, while tests listen; requests that form a transaction together.
    pub propagation_tap: Option<Vec<Vec<(usize, OwnedRequest)>>>,
}

impl Server {
    /// A server with these directives; it listens nowhere yet.
    pub fn new(config: Config, (commands, rows): (CommandTable, Rows), listeners: Listeners, host: Host) -> Server {
        let mut random = Random::from_entropy();
        let (run_id, history_id) = (repl::new_id(&mut random), repl::new_id(&mut random));
        let clock = Clock::start();
        let mut server = Server {
            repl: Replication::new(history_id, clock.unix_ms()),
            clock,
            random,
            acl: Acl::new(&commands),
            commands,
            rows,
            clients: Clients::default(),
            pubsub: PubSub::default(),
            tracking: Tracking::default(),
            watches: Watches::default(),
            waiters: Waiters::default(),
            deadlines: Deadlines::default(),
            pause: Pause::default(),
            effects: Effects::default(),
            observers: Observers::default(),
            modes: ServerModes::default(),
            script: Scripting::new(host),
            stats: Stats::default(),
            command_log: CommandLog::default(),
            hotkeys: Hotkeys::default(),
            latency: Latency::default(),
            current: None,
            web: Web::default(),
            shutdown: None,
            pending_shutdown: None,
            listeners,
            tls: None,
            to_resume: Vec::new(),
            evicting: false,
            links: Links::default(),
            persist: Persist::default(),
            loading: None,
            cron: CronState::default(),
            attack_logged_s: 0,
            in_exec: false,
            frozen_time_us: None,
            rerunning: None,
            monitors: BTreeSet::new(),
            active_expire: true,
            plain_from: None,
            run_id,
            cluster: None,
            nodes_conf: None,
            slot_usage: None,
            moves: Moves::default(),
            bus: Bus::default(),
            startup_memory: 0,
            program: String::new(),
            executable: std::env::current_exe().unwrap_or_default(),
            supervisor: "no",
            title: None,
            oom_score: OomScore::default(),
            propagation_tap: None,
            config,
        };
        server.acl.set_default_password(server.config.requirepass.as_deref());
        server
    }

    /// Sets TLS up as the directives say.
    ///
    /// # Errors
    /// When that cannot be done; it stays as it was then, and the log has the reason.
    pub fn configure_tls(&mut self) -> Result<(), tls::TlsError> {
        self.tls = Some(tls::Settings::new(&self.config).inspect_err(|error| log::warn!("{error}"))?);
        Ok(())
    }

    /// Begins a session on a connection that a client has made.
    pub fn begin_tls(&self, stream: TcpStream) -> Option<tls::Session> {
        let session = self.tls.as_ref()?.accept(stream, self.config.tls_auth_clients);
        session.inspect_err(|error| log::warn!("Error accepting a client connection: {error}")).ok()
    }

    /// Why writes are refused, when [`ServerModes::DISK_ERROR`] is set.
    pub fn disk_error(&self) -> Error {
        match self.persist.aof.error_text().filter(|_| !self.refuses_unsaved()) {
            Some(text) => Error::text(format!("MISCONF Errors writing to the AOF file: {text}")),
            None => UNSAVED,
        }
    }

    /// The same for a script that says it writes.
    pub fn disk_error_of_script(&self) -> Error {
        let (how, error) = match self.persist.aof.error_text().filter(|_| !self.refuses_unsaved()) {
            Some(text) => ("persist data to AOF", format!(" AOF error: {text}")),
            None => ("save RDB snapshots", String::new()),
        };
        Error::text(format!(
            "MISCONF Redis is configured to {how}, but it's currently unable to persist to disk. Writable scripts are \
             blocked. Use 'no-writes' flag for read only scripts.{error}"
        ))
    }

    fn refuses_unsaved(&self) -> bool {
        let refuses = self.config.stop_writes_on_bgsave_error && !self.config.save.is_empty();
        refuses && !self.persist.snapshots.last_ok
    }

    /// Has writes refused as long as the last save failed, where that is wanted, or the log of commands cannot be
    /// written.
    pub fn note_disk_error(&mut self) {
        self.modes.set(ServerModes::DISK_ERROR, self.refuses_unsaved() || self.persist.aof.is_failing());
    }

    /// Has tables resized for comfort, unless a process shares their memory.
    pub fn allow_resizing(&self, db: &mut Databases) {
        let shares = |child: &Child| child.method() == SnapshotMethod::Fork;
        let allowed = self.persist.resizing_allowed && !self.persist.child.as_ref().is_some_and(shares);
        (0..db.count()).for_each(|index| db.database_mut(index).dict.set_resizing(allowed));
    }

    /// Whether expired keys stay where they are, unseen: during a pause, and until the primary says that they go.
    pub fn keeps_expired(&self) -> bool {
        self.modes.has(ServerModes::KEEPS_EXPIRED)
    }

    /// Tells the databases what they need to know of directives and modes, if that is news to them.
    pub fn sync_settings(&mut self, db: &mut Databases) {
        db.keeps_expired = self.keeps_expired();
        if !self.modes.has(ServerModes::NEW_SETTINGS) {
            return;
        }
        let config = &self.config;
        let told = config.notify_keyspace_events;
        db.notes_misses = told.contains(NotifyFlags::KEY_MISS);
        db.notes_new = told.contains(NotifyFlags::NEW);
        db.notes_replaced = told.intersects(NotifyFlags::OVERWRITTEN | NotifyFlags::TYPE_CHANGED);
        db.lazyfree.lazily = Lazily {
            expire: config.lazyfree_lazy_expire,
            server_del: config.lazyfree_lazy_server_del,
            eviction: config.lazyfree_lazy_eviction,
        };
        db.note_frequency(config.maxmemory_policy.is_lfu(), config.lfu_log_factor, config.lfu_decay_time);
        db.note_changes(config.maxmemory_policy.is_lrm());
        self.modes.set(ServerModes::NEW_SETTINGS, false);
    }

    /// Ends the observation of keys if its time is over.
    pub fn stop_hotkeys_when_due(&mut self) {
        if self.hotkeys.stop_when_due(self.clock.unix_ms()) {
            self.observers.set(Observers::HOTKEYS, false);
        }
    }

    /// Whether memory in use exceeds `maxmemory`.
    pub fn out_of_memory(&self, db: &Databases) -> bool {
        self.memory_excess(db) > 0
    }

    /// Bytes in use beyond `maxmemory`.
    pub fn memory_excess(&self, db: &Databases) -> usize {
        let used = crate::util::alloc::used_memory().saturating_sub(self.not_counted_for_evict(db));
        used.saturating_sub(usize::try_from(self.config.maxmemory).unwrap_or(usize::MAX))
    }

    /// Bytes in use that evicting keys would make more rather than less: of what is to be logged, kept for replicas that
    /// lag, and copied for a snapshot or kept for it though it was flushed.
    pub fn not_counted_for_evict(&self, db: &Databases) -> usize {
        let copied = self.persist.feed.as_ref().map_or(0, Feed::waiting);
        self.persist.aof.writer().buffer_bytes() + self.repl.memory().1 + copied + db.flushed_bytes()
    }

    /// Enters a command that has ended into those logs whose limits it reached. `measured` is what it took.
    pub fn log_command(&mut self, client: ClientKey, id: CommandId, args: &ArgView<'_>, measured: &Measured) {
        let redacted = self.redacted_args(args);
        let from = self.clients.at(client);
        let micros = measured.nanos / 1000;
        let is_slow = measured.nanos >= self.command_log.limits.nanos;
        let busy_before_us = self.stats.busy_us(&self.clock, measured.started);
        let command = LoggedCommand {
            id: 0,
            time: self.clock.unix_ms() / 1000,
            value: 0,
            args: command_log::shortened(args, &redacted, &self.config),
            args_sent: args.len(),
            cpu_us: if is_slow { self.command_log.cpu.of_command(busy_before_us, micros) } else { 0 },
            peer: from.connection.peer_name(),
            client_name: from.name.as_deref().unwrap_or_default().to_vec(),
        };
        let log = &mut self.command_log;
        if is_slow && log.add_if_due(Kind::Slow, &self.config, micros, &command) {
            self.stats.slow.count(micros);
            self.commands.stats_mut(id).slow.get_or_insert_default().count(micros);
        }
        log.add_if_due(Kind::LargeRequest, &self.config, measured.request_bytes as u64, &command);
        log.add_if_due(Kind::LargeReply, &self.config, measured.reply_bytes as u64, &command);
    }

    /// Which arguments of a call must not be shown, in order: passwords.
    pub fn redacted_args(&self, args: &ArgView<'_>) -> Vec<usize> {
        match self.commands.resolve(args) {
            Some(id) => (self.commands.entry(id).row.secrets)(args),
            None => Vec::new(),
        }
    }

    /// The full name of a client's latest command, as CLIENT LIST shows it.
    pub fn command_name(&self, id: Option<CommandId>) -> &str {
        id.map_or("NULL", |id| self.commands.entry(id).full_name.as_str())
    }
}
