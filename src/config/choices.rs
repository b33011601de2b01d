//! Directives that take one word of a list, as Rust enums.
//!
//! A variant may have several names; the first is the one reported. The order is that of Redis's
//! error text, which lists all names.

/// An enum whose variants have names in the configuration.
pub trait Choice: Copy + PartialEq + 'static {
    /// All names with their variants, in the order of the error text.
    const NAMES: &'static [(&'static str, Self)];

    /// The name CONFIG GET reports.
    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, choice)| *choice == self).map_or("unknown", |(name, _)| name)
    }

    /// The variant of a name, in any case.
    fn from_name(name: &[u8]) -> Option<Self> {
        let known = Self::NAMES.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
        known.map(|&(_, choice)| choice)
    }
}

macro_rules! choices {
    ($(
        $(#[$doc:meta])*
        $enum:ident { $( $(#[$variant_doc:meta])* $variant:ident = $($name:literal)|+ ),+ $(,)? }
    )+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $enum { $( $(#[$variant_doc])* $variant ),+ }

        impl Choice for $enum {
            const NAMES: &'static [(&'static str, Self)] = &[$($(($name, $enum::$variant)),+),+];
        }
    )+};
}

choices! {
    /// `loglevel`, from the most talkative.
    LogLevel {
        /// Everything.
        Debug = "debug",
        /// Much that is rarely useful.
        Verbose = "verbose",
        /// What one wants to know in production.
        Notice = "notice",
        /// Only what matters.
        Warning = "warning",
        /// Nothing at all.
        Nothing = "nothing",
    }
    /// `log-format`: how a line of the log is written.
    LogFormat {
        /// As Redis does.
        Legacy = "legacy",
        /// Pairs of a name and a value.
        Logfmt = "logfmt",
        /// An object.
        Json = "json",
    }
    /// `log-timestamp-format`: how the time stands in it.
    LogTimestampFormat {
        /// Day, month, year and time, local.
        Legacy = "legacy",
        /// Local time with its distance from UTC.
        Iso8601 = "iso8601",
        /// Unix milliseconds.
        Milliseconds = "milliseconds",
    }
    /// `cluster-config-save-behavior`: what follows when the view of the cluster cannot be saved.
    SaveBehavior {
        /// The server ends: what others were promised is not kept.
        Sync = "sync",
        /// The log has it.
        BestEffort = "best-effort",
    }
    /// `cluster-preferred-endpoint-type`: how clients are told where a node is.
    EndpointType {
        /// By its address.
        Ip = "ip",
        /// By its name.
        Hostname = "hostname",
        /// Not at all: where they have found this one.
        Unknown = "unknown-endpoint",
    }
    /// `maxmemory-policy`: which keys make room.
    MaxmemoryPolicy {
        /// Least recently used among those that expire.
        VolatileLru = "volatile-lru",
        /// Least frequently used among those that expire.
        VolatileLfu = "volatile-lfu",
        /// Least recently changed among those that expire.
        VolatileLrm = "volatile-lrm",
        /// Any among those that expire.
        VolatileRandom = "volatile-random",
        /// The nearest to expire.
        VolatileTtl = "volatile-ttl",
        /// Least recently used of all.
        AllkeysLru = "allkeys-lru",
        /// Least frequently used of all.
        AllkeysLfu = "allkeys-lfu",
        /// Least recently changed of all.
        AllkeysLrm = "allkeys-lrm",
        /// Any of all.
        AllkeysRandom = "allkeys-random",
        /// None: writes fail.
        NoEviction = "noeviction",
    }
    /// `bgsave-default-method`: how snapshots are made in the background.
    SnapshotMethod {
        /// By a process that shares all memory as it is at the beginning.
        Fork = "fork",
        /// By a thread that is given a copy of each key, of those that change before they do.
        Forkless = "forkless",
    }
    /// `appendfsync`: when the append-only file reaches the disk.
    AppendFsync {
        /// Once a second.
        EverySec = "everysec",
        /// Before the reply to the write.
        Always = "always",
        /// When the kernel sees fit.
        No = "no",
    }
    /// `syslog-facility`.
    SyslogFacility {
        /// Facility `LOG_USER`.
        User = "user",
        /// Facility `LOG_LOCAL0`.
        Local0 = "local0",
        /// Facility `LOG_LOCAL1`.
        Local1 = "local1",
        /// Facility `LOG_LOCAL2`.
        Local2 = "local2",
        /// Facility `LOG_LOCAL3`.
        Local3 = "local3",
        /// Facility `LOG_LOCAL4`.
        Local4 = "local4",
        /// Facility `LOG_LOCAL5`.
        Local5 = "local5",
        /// Facility `LOG_LOCAL6`.
        Local6 = "local6",
        /// Facility `LOG_LOCAL7`.
        Local7 = "local7",
    }
    /// `supervised`: who watches over the process.
    Supervised {
        /// Upstart, told by a stop signal.
        Upstart = "upstart",
        /// systemd, told through its notification socket.
        Systemd = "systemd",
        /// Whichever the environment shows.
        Auto = "auto",
        /// Nobody.
        No = "no",
    }
    /// `repl-diskless-load`: whether a replica parses a full sync from the socket.
    ReplDisklessLoad {
        /// Through a file.
        Disabled = "disabled",
        /// From the socket when there is nothing to lose.
        OnEmptyDb = "on-empty-db",
        /// From the socket, with the old data kept aside.
        SwapDb = "swapdb",
        /// From the socket, with the old data dropped before.
        FlushDb = "flushdb" | "flush-before-load",
    }
    /// `rdbcompression`: how strings are compressed. The last two compress whole files, with Valkey alone.
    RdbCompression {
        /// Not at all.
        No = "no",
        /// Each by itself, with LZF.
        Yes = "yes",
        /// A file as one frame of LZ4.
        Lz4 = "lz4",
        /// A file as one frame of Zstandard.
        Zstd = "zstd",
    }
    /// `tls-auth-clients`: whether clients must show a certificate.
    TlsAuthClients {
        /// Not asked for.
        No = "no",
        /// Required.
        Yes = "yes",
        /// Checked when shown.
        Optional = "optional",
    }
    /// `tls-auth-clients-user`: what of a client's certificate names the user it acts as.
    TlsClientUser {
        /// Nothing.
        Off = "off",
        /// The common name of its subject.
        CommonName = "CN",
        /// A URI among the other names of its subject.
        Uri = "URI",
    }
    /// `oom-score-adj`: how the scores are written to the kernel.
    OomScoreAdj {
        /// Not at all.
        No = "no",
        /// Added to the score at start.
        Relative = "yes" | "relative",
        /// As they are.
        Absolute = "absolute",
    }
    /// `acl-pubsub-default`: channels of a new user.
    AclPubsubDefault {
        /// All.
        AllChannels = "allchannels",
        /// None.
        ResetChannels = "resetchannels",
    }
    /// `sanitize-dump-payload`: deep checks of RESTORE payloads and RDB files.
    SanitizeDumpPayload {
        /// Never.
        No = "no",
        /// Always.
        Yes = "yes",
        /// For clients without the `skip-sanitize-payload` right.
        Clients = "clients",
    }
    /// `rdb-version-check`: files and payloads of versions that are not known.
    VersionCheck {
        /// Are refused.
        Strict = "strict",
        /// Are tried.
        Relaxed = "relaxed",
    }
    /// Who may do something dangerous.
    ProtectedAction {
        /// Nobody.
        No = "no",
        /// Anybody.
        Yes = "yes",
        /// Clients of this machine.
        Local = "local",
    }
    /// `propagation-error-behavior`: what an error on a replicated command means.
    PropagationErrorBehavior {
        /// It is counted and logged.
        Ignore = "ignore",
        /// The server stops.
        Panic = "panic",
        /// A replica stops.
        PanicOnReplicas = "panic-on-replicas",
    }
}

impl ProtectedAction {
    /// Whether a client may, given that it is of this machine or not.
    pub fn allows(self, local_client: bool) -> bool {
        match self {
            Self::No => false,
            Self::Yes => true,
            Self::Local => local_client,
        }
    }
}

impl RdbCompression {
    /// Whether strings are compressed. What would compress the whole file has them compressed instead.
    pub fn is_on(self) -> bool {
        self != RdbCompression::No
    }

    /// Whether something else than LZF is wanted.
    pub fn is_of_stream(self) -> bool {
        matches!(self, RdbCompression::Lz4 | RdbCompression::Zstd)
    }
}

impl MaxmemoryPolicy {
    /// Whether only keys that expire may go.
    pub fn is_volatile(self) -> bool {
        match self {
            Self::VolatileLru | Self::VolatileLfu | Self::VolatileLrm | Self::VolatileRandom | Self::VolatileTtl => {
                true
            }
            Self::AllkeysLru | Self::AllkeysLfu | Self::AllkeysLrm | Self::AllkeysRandom | Self::NoEviction => false,
        }
    }

    /// Whether it matters when each key was used.
    pub fn tracks_use(self) -> bool {
        self.is_lfu() || self.is_lrm() || matches!(self, Self::VolatileLru | Self::AllkeysLru)
    }

    /// Whether keys carry the time of their last change in place of that of their last access.
    pub fn is_lrm(self) -> bool {
        matches!(self, Self::VolatileLrm | Self::AllkeysLrm)
    }

    /// Whether keys carry an access frequency in place of an access time.
    pub fn is_lfu(self) -> bool {
        matches!(self, Self::VolatileLfu | Self::AllkeysLfu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_name_is_reported_and_any_case_is_read() {
        assert_eq!(OomScoreAdj::from_name(b"relative"), Some(OomScoreAdj::Relative));
        assert_eq!(OomScoreAdj::Relative.name(), "yes");
        assert_eq!(LogLevel::from_name(b"NOTICE"), Some(LogLevel::Notice));
        assert_eq!(LogLevel::from_name(b""), None);
    }

    #[test]
    fn local_means_clients_of_this_machine() {
        assert!(ProtectedAction::Local.allows(true));
        assert!(!ProtectedAction::Local.allows(false));
        assert!(ProtectedAction::Yes.allows(false));
        assert!(!ProtectedAction::No.allows(true));
    }
}
