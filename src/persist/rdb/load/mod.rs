//! Loading a data set, a slice at a time.
//!
//! A [`Loader`] takes bytes from a [`Source`] (a file, the socket of a primary, the beginning of an append-only file)
//! and puts keys into databases. It never waits: [`Loader::step`] works through a number of bytes and returns, so that
//! whoever drives it can do other things in between. What has arrived is read where it lies: a small key goes from the
//! buffer straight into its entry. When the buffer ends in the middle of an element the element is read again from its
//! beginning once there is more.
//!
//! Keys are not put in one by one but some at a time, after the memory of the places they go to has been asked for.

pub mod module;
mod opcodes;
mod source;

use std::fmt;

use super::format::kind;
use super::kinds::{self, Kind, Load};
use super::read::{Cursor, Fault, Text};
use super::value::{self, Begun, Build, Context, Rules, Value, bundled};
use super::version::{Fork, MAGIC_BYTES, Version};
use crate::db::{Databases, Entry, hash_key};
use crate::types::listpack::IntText;
use crate::util::redact;
use source::Input;

pub use source::{Filled, Source};

/// Keys put in together.
const BATCH: usize = 32;
/// No key takes fewer bytes: what bounds the room made for those announced.
const KEY_BYTES_MIN: u64 = 4;
/// Keys that were skipped because there was nothing in them, up to which each is named.
const EMPTY_NAMED_MAX: u64 = 10;
/// Keys that were corrected or skipped, up to which each is named.
const NAMED_MAX: u64 = 1000;

/// How a data set is to be loaded.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How values are made.
    pub rules: Rules,
    /// Compare the checksum.
    pub checksum: bool,
    /// Try files of versions that are not known.
    pub any_version: bool,
    /// Leave out values of modules, rather than refuse them.
    pub skips_modules: bool,
    /// The time before which keys have expired, and are left out; `None` keeps them.
    pub expired_before_ms: Option<i64>,
    /// Those left out are kept by name, for [`Loader::take_expired`].
    pub names_expired: bool,
    /// A key that is there already is replaced, rather than a fault.
    pub may_replace: bool,
    /// Name no keys in the log.
    pub hides_data: bool,
    /// Forget each value once it was read: only the file is of interest.
    pub discard: bool,
    /// Microseconds to rest per key; negative for a part of them. For tests.
    pub key_delay_us: i32,
    /// How many bytes are there for sure: those of a file, none of a stream. Room is made for no more keys than these
    /// can hold.
    pub present_bytes: u64,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys that are there now.
    pub loaded: u64,
    /// Keys left out because they had expired.
    pub expired: u64,
    /// Keys left out because there was nothing in them.
    pub empty: u64,
    /// Keys met that expire at some time, those that have included.
    pub expiring: u64,
    /// Keys met whose value has parts that expire.
    pub subexpiring: u64,
    /// Keys whose value was wrong and has been put right.
    pub corrected: u64,
    /// Keys left out because their values are those of modules.
    pub skipped: u64,
}

/// How far loading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    Running,
    /// Further bytes have yet to arrive.
    Waiting,
    /// All is there.
    Done,
}

/// Why loading failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// Where in the file.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at offset {}", self.reason, self.offset)
    }
}

/// Why an element was not read.
enum Stop {
    Incomplete(usize),
    Bad(String),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        match fault {
            Fault::Incomplete(bytes) => Stop::Incomplete(bytes),
            Fault::Bad(reason) => Stop::Bad(reason.to_owned()),
        }
    }
}

/// What the file has next.
enum Stage {
    Signature,
    Items,
    Value,
    Checksum,
    Done,
}

/// What was told of a key before it.
#[derive(Default)]
struct Header {
    expire: Option<i64>,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
    blessed: bool,
}

/// A collection that is being read.
struct Building {
    kind: u8,
    key: Vec<u8>,
    build: Box<dyn Build>,
}

/// Loads a data set.
pub struct Loader {
    input: Input,
    state: State,
}

struct State {
    settings: Settings,
    stage: Stage,
    /// What values are read with.
    context: Context,
    database: usize,
    header: Header,
    building: Option<Building>,
    /// Entries to be put in, with their hashes.
    batch: Vec<(u64, Entry)>,
    /// Keys among them that are not to be evicted.
    blessed: Vec<(u64, Vec<u8>)>,
    counts: Counts,
    aux: Vec<(String, Vec<u8>)>,
    functions: Vec<Vec<u8>>,
    expired: Vec<(usize, Box<[u8]>)>,
    keys_met: u64,
    /// How many keys room may yet be made for before they come.
    room_left: u64,
    /// The offset of what the cursor began with.
    base: u64,
    /// Where values are discarded: what else there was, and the offset behind it.
    seen: Vec<(u64, Seen)>,
}

/// Something between the keys of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A field of information: name and text.
    Aux(String, Vec<u8>),
    /// The number of a database, whose keys follow.
    Database(usize),
}

/// What was being read when something was wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doing {
    /// The part of the file, as `redis-check-rdb` names it.
    pub part: &'static str,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The type of its value.
    pub kind: Option<u8>,
}

impl Loader {
    /// A loader of what comes from a source.
    pub fn new(source: Box<dyn Source>, settings: Settings) -> Loader {
        let state = State {
            settings,
            stage: Stage::Signature,
            context: Context::new(settings.rules, Version::LOWEST),
            database: 0,
            header: Header::default(),
            building: None,
            batch: Vec::with_capacity(BATCH),
            blessed: Vec::new(),
            counts: Counts::default(),
            aux: Vec::new(),
            functions: Vec::new(),
            expired: Vec::new(),
            keys_met: 0,
            room_left: settings.present_bytes / KEY_BYTES_MIN,
            base: 0,
            seen: Vec::new(),
        };
        Loader { input: Input::new(source, settings.checksum), state }
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// Whose form the file has, as far as it was read.
    pub fn fork(&self) -> Fork {
        self.state.context.version.fork
    }

    /// Rests per key for another time from now on: see [`Settings::key_delay_us`].
    pub fn set_key_delay(&mut self, key_delay_us: i32) {
        self.state.settings.key_delay_us = key_delay_us;
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.state.counts
    }

    /// Fields of information about the file, as far as they have come.
    pub fn aux(&self) -> &[(String, Vec<u8>)] {
        &self.state.aux
    }

    /// What there was besides keys since the last call, and the offset behind each: where values are discarded.
    pub fn take_seen(&mut self) -> Vec<(u64, Seen)> {
        std::mem::take(&mut self.state.seen)
    }

    /// What is being read, or was when something was wrong.
    pub fn doing(&self) -> Doing {
        let doing = |part| Doing { part, ..Doing::default() };
        match (&self.state.stage, &self.state.building) {
            (Stage::Signature, _) => doing("start"),
            (Stage::Checksum | Stage::Done, _) => doing("check-sum"),
            (Stage::Value, Some(Building { kind, key, .. })) => {
                Doing { key: Some(key.clone()), kind: Some(*kind), ..doing("read-object-value") }
            }
            (Stage::Items | Stage::Value, _) => {
                let mut cursor = Cursor::new(self.input.ahead());
                let fork = self.state.context.version.fork;
                let Ok(number) = cursor.byte() else { return doing("read-type") };
                if kinds::kind(fork, number).is_some() {
                    let key = cursor.vec().ok();
                    let part = if key.is_some() { "read-object-value" } else { "read-key" };
                    return Doing { key, kind: Some(number), part };
                }
                doing(opcodes::opcode(fork, number).map_or("read-type", |opcode| opcode.doing))
            }
        }
    }

    /// Libraries of functions that the file had.
    pub fn take_functions(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.state.functions)
    }

    /// Keys left out since the last call because they had expired, each with its database.
    pub fn take_expired(&mut self) -> Vec<(usize, Box<[u8]>)> {
        std::mem::take(&mut self.state.expired)
    }

    /// What came behind the end of the data set, and where more of it comes from.
    pub fn into_rest(self) -> (Vec<u8>, Box<dyn Source>) {
        self.input.into_rest()
    }

    /// Loads on, for about as many bytes.
    ///
    /// # Errors
    /// When the source fails, ends too early, or makes no sense. What was loaded before is in the databases.
    pub fn step(&mut self, db: &mut Databases, bytes: u64) -> Result<Progress, LoadError> {
        let until = self.offset().saturating_add(bytes);
        loop {
            if matches!(self.state.stage, Stage::Done) {
                return Ok(Progress::Done);
            }
            if self.offset() >= until {
                self.state.put_in(db).map_err(|reason| self.error(0, reason))?;
                return Ok(Progress::Running);
            }
            let budget = usize::try_from(until - self.offset()).unwrap_or(usize::MAX);
            self.state.base = self.offset();
            let mut cursor = Cursor::new(self.input.ahead());
            let result = self.state.read(&mut cursor, db, budget, &self.input);
            let (result, kept) = match result {
                Ok(()) => (Ok(()), cursor.at()),
                Err(stop) => {
                    let kept = self.state.kept(&cursor);
                    (Err((stop, cursor.at())), kept)
                }
            };
            match result {
                Ok(()) => self.input.advance(kept),
                Err((Stop::Bad(reason), at)) => return Err(self.error(at, reason)),
                Err((Stop::Incomplete(needed), _)) => {
                    self.input.advance(kept);
                    match self.input.more(needed.saturating_sub(kept)) {
                        Ok(Filled::Some) => {}
                        Ok(Filled::NotYet) => {
                            self.state.put_in(db).map_err(|reason| self.error(0, reason))?;
                            return Ok(Progress::Waiting);
                        }
                        Ok(Filled::End) => return Err(self.error(0, "Unexpected EOF reading RDB file".to_owned())),
                        Err(error) => return Err(self.error(0, format!("reading failed: {error}"))),
                    }
                }
            }
        }
    }

    fn error(&self, at: usize, reason: String) -> LoadError {
        LoadError { offset: self.offset() + at as u64, reason }
    }
}

impl State {
    /// How much of what a cursor has read stays read when it stopped in the middle of something: of a collection that
    /// is being built, all whole elements; else nothing.
    fn kept(&self, cursor: &Cursor<'_>) -> usize {
        if matches!(self.stage, Stage::Value) { cursor.at() } else { 0 }
    }

    /// Reads one thing, or many elements of one collection.
    fn read(&mut self, cursor: &mut Cursor<'_>, db: &mut Databases, budget: usize, input: &Input) -> Result<(), Stop> {
        match self.stage {
            Stage::Signature => self.signature(cursor),
            Stage::Items => self.items(cursor, db, budget),
            Stage::Value => self.value(cursor, db, budget),
            Stage::Checksum => self.checksum(cursor, input),
            Stage::Done => Ok(()),
        }
    }

    fn signature(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        const WRONG: &str = "Wrong signature trying to load DB from file";
        /// What a file begins with that is compressed as a whole.
        const COMPRESSED: &[u8] = b"VCS";
        let magic = <[u8; MAGIC_BYTES]>::try_from(cursor.take(MAGIC_BYTES)?).ok();
        if magic.is_some_and(|magic| magic.starts_with(COMPRESSED)) {
            return Err(Stop::Bad("The file is compressed as a whole (rdbcompression lz4 or zstd)".to_owned()));
        }
        let version = magic.as_ref().and_then(Version::of_magic).ok_or(Stop::Bad(WRONG.to_owned()))?;
        if !version.is_tried(self.settings.any_version) {
            return Err(Stop::Bad(format!("Can't handle RDB format version {}", version.number)));
        }
        self.context.version = version;
        self.stage = Stage::Items;
        Ok(())
    }

    fn checksum(&mut self, cursor: &mut Cursor<'_>, input: &Input) -> Result<(), Stop> {
        let expected = cursor.u64()?;
        if self.settings.checksum {
            let sum = input.sum_so_far();
            if expected == 0 {
                log::info!("RDB file was saved with checksum disabled: no check performed.");
            } else if expected != sum {
                log::warn!("Wrong RDB checksum expected: ({expected:x}) but got ({sum:x}). Aborting now.");
                return Err(Stop::Bad("RDB CRC error".to_owned()));
            }
        }
        self.stage = Stage::Done;
        Ok(())
    }

    /// Reads small things until the budget is used up, so that the cursor need not be made anew for each.
    fn items(&mut self, cursor: &mut Cursor<'_>, db: &mut Databases, budget: usize) -> Result<(), Stop> {
        while cursor.at() < budget.max(1) && matches!(self.stage, Stage::Items) {
            let before = cursor.clone();
            if let Err(stop) = self.item(cursor, db) {
                // What was read before stays read, and the fault is met again, first.
                let may_retry = matches!(stop, Stop::Incomplete(_)) || self.settings.discard;
                if may_retry && before.at() > 0 {
                    *cursor = before;
                    return Ok(());
                }
                return Err(stop);
            }
        }
        Ok(())
    }

    /// How many of so many announced keys room is made for: of all together no more than can be there.
    fn grant(&mut self, announced: u64) -> usize {
        let granted = announced.min(self.room_left);
        self.room_left -= granted;
        usize::try_from(granted).unwrap_or(0)
    }

    fn item(&mut self, cursor: &mut Cursor<'_>, db: &mut Databases) -> Result<(), Stop> {
        let (fork, number) = (self.context.version.fork, cursor.byte()?);
        if let Some(kind) = kinds::kind(fork, number) {
            return self.key(kind, cursor, db);
        }
        match opcodes::opcode(fork, number) {
            Some(opcode) => (opcode.read)(self, cursor, db),
            None => Err(Stop::Bad(format!("Unknown RDB encoding type {number}"))),
        }
    }

    /// Keeps what a check of the file shows.
    fn note(&mut self, cursor: &Cursor<'_>, seen: impl FnOnce() -> Seen) {
        if self.settings.discard {
            self.seen.push((self.base + cursor.at() as u64, seen()));
        }
    }

    fn note_aux(&mut self, name: String, text: Vec<u8>) {
        let shown = String::from_utf8_lossy(&text);
        let number = || shown.parse::<i64>().unwrap_or(0);
        match name.as_str() {
            _ if self.settings.discard => {}
            "redis-ver" => log::info!("Loading RDB produced by version {shown}"),
            "valkey-ver" => log::info!("Loading RDB produced by Valkey version {shown}"),
            "ctime" => {
                let age = (crate::util::clock::unix_micros() / 1_000_000 - number()).max(0);
                log::info!("RDB age {age} seconds");
            }
            "used-mem" => {
                log::info!("RDB memory usage when created {:.2} Mb", number() as f64 / f64::from(1 << 20));
            }
            "aof-preamble" if number() != 0 => log::info!("RDB has an AOF tail"),
            "aof-base" if number() != 0 => log::info!("RDB is base AOF"),
            name if name.starts_with('%') => log::info!("RDB '{name}': {shown}"),
            _ => {}
        }
        self.aux.push((name, text));
    }

    /// Reads a key, and its value if that is a string or small.
    fn key(&mut self, kind: &Kind, cursor: &mut Cursor<'_>, db: &mut Databases) -> Result<(), Stop> {
        let key = cursor.text()?;
        self.counts.subexpiring += u64::from(kind.has_times());
        match kind.load {
            Load::Text => self.string(&key, cursor, db),
            Load::Module => {
                let identity = cursor.length()?;
                match bundled::begin(identity).filter(|_| kind.number == kind::MODULE_2) {
                    Some(begun) => self.begun(kind.number, &key, begun, db),
                    None => self.unknown_module_value(kind.number, identity, &key.into_vec(), cursor),
                }
            }
            Load::Collection(begin) => {
                let begun = begin(cursor, &mut self.context)?;
                self.begun(kind.number, &key, begun, db)
            }
        }
    }

    fn begun(&mut self, kind: u8, key: &Text<'_>, begun: Begun, db: &mut Databases) -> Result<(), Stop> {
        let mut room = IntText::new();
        let key = key.bytes(&mut room);
        match begun {
            Begun::Whole(value) => self.complete(db, key, value),
            Begun::Parts(build) => {
                self.building = Some(Building { kind, key: key.to_vec(), build });
                self.stage = Stage::Value;
                Ok(())
            }
        }
    }

    #[inline]
    fn string(&mut self, key: &Text<'_>, cursor: &mut Cursor<'_>, db: &mut Databases) -> Result<(), Stop> {
        let value = cursor.text()?;
        let mut room = IntText::new();
        let key = key.bytes(&mut room);
        if self.is_wanted(key) {
            let (expire, access) = self.take_header(db, key);
            let entry = match value {
                Text::Bytes(bytes) => Entry::string(key, bytes, expire, access),
                Text::Int(value) => Entry::int(key, value, expire, access),
                Text::Unpacked(bytes) => Entry::text(key, bytes, false, expire, access),
            };
            self.add(db, hash_key(key), entry)?;
        }
        Ok(())
    }

    /// A key as the log shows it.
    fn logged(&self, key: &[u8]) -> String {
        redact::data(key.escape_ascii(), self.settings.hides_data)
    }

    /// A value of a module that is not here can be passed over, but nobody knows what it is.
    fn unknown_module_value(
        &mut self,
        kind: u8,
        identity: u64,
        key: &[u8],
        cursor: &mut Cursor<'_>,
    ) -> Result<(), Stop> {
        let name = bundled::name(identity);
        let Settings { discard, skips_modules, .. } = self.settings;
        if !discard && !skips_modules || kind == kind::MODULE {
            let key = self.logged(key);
            return Err(Stop::Bad(format!(
                "The RDB file contains module data I can't load: no matching module type '{name}' (key '{key}')"
            )));
        }
        module::skip(cursor)?;
        if !discard {
            self.header = Header::default();
            self.counts.skipped += 1;
            if self.counts.skipped <= NAMED_MAX {
                let (key, database) = (self.logged(key), self.database);
                log::warn!("Skipping key '{key}' in DB {database}: its value is of module type '{name}'");
            }
            return Ok(());
        }
        // Where this is passed over nothing is kept, nor named.
        self.is_wanted(b"");
        self.header = Header::default();
        Ok(())
    }

    /// Reads on in a collection.
    fn value(&mut self, cursor: &mut Cursor<'_>, db: &mut Databases, budget: usize) -> Result<(), Stop> {
        let Some(building) = &mut self.building else {
            self.stage = Stage::Items;
            return Ok(());
        };
        if !value::go_on(&mut *building.build, cursor, &mut self.context, budget)? {
            return Ok(());
        }
        if let Some(Building { key, build, .. }) = self.building.take() {
            let value = build.finish(&mut self.context)?;
            self.stage = Stage::Items;
            self.complete(db, &key, value)?;
        }
        Ok(())
    }

    fn complete(&mut self, db: &mut Databases, key: &[u8], value: Option<Value>) -> Result<(), Stop> {
        let corrected = self.context.take_corrected();
        if !corrected.is_empty() {
            self.counts.corrected += 1;
            if self.counts.corrected <= NAMED_MAX {
                let (key, database, what) = (self.logged(key), self.database, corrected.join("; "));
                log::warn!("The value of key '{key}' in DB {database} was not sound and has been corrected: {what}");
            }
        }
        let Some(value) = value else {
            self.header = Header::default();
            self.counts.empty += 1;
            if self.counts.empty <= EMPTY_NAMED_MAX {
                log::info!("RDB has an empty value, skipping empty key: {}", self.logged(key));
            }
            return Ok(());
        };
        if self.is_wanted(key) {
            let (expire, access) = self.take_header(db, key);
            self.add(db, hash_key(key), value.into_entry(key, expire, access))?;
        }
        Ok(())
    }

    /// Whether a key is to be kept whose value has been read.
    #[inline]
    fn is_wanted(&mut self, key: &[u8]) -> bool {
        self.keys_met += 1;
        self.rest();
        let expire = self.header.expire;
        self.counts.expiring += u64::from(expire.is_some());
        let expired = match (expire, self.settings.expired_before_ms) {
            (Some(at), Some(now)) => at < now,
            _ => false,
        };
        self.counts.expired += u64::from(expired);
        self.counts.loaded += u64::from(!expired);
        if expired && self.settings.names_expired {
            self.expired.push((self.database, key.into()));
        }
        if expired && !self.settings.discard {
            self.header = Header::default();
        }
        !expired || self.settings.discard
    }

    fn take_header(&mut self, db: &Databases, key: &[u8]) -> (Option<i64>, u32) {
        let Header { expire, idle_seconds, frequency, blessed } = std::mem::take(&mut self.header);
        if blessed && !self.settings.discard {
            self.blessed.push((hash_key(key), key.to_vec()));
        }
        (expire, db.restored_access(idle_seconds, frequency))
    }

    #[inline]
    fn add(&mut self, db: &mut Databases, hash: u64, entry: Entry) -> Result<(), Stop> {
        if self.settings.discard {
            return Ok(());
        }
        db.database(self.database).prefetch_bucket(hash);
        self.batch.push((hash, entry));
        if self.batch.len() == BATCH { self.put_in(db).map_err(Stop::Bad) } else { Ok(()) }
    }

    /// Puts the entries of the batch in.
    fn put_in(&mut self, db: &mut Databases) -> Result<(), String> {
        let mut batch = std::mem::take(&mut self.batch);
        for (hash, entry) in batch.drain(..) {
            if let Err(entry) = db.put_loaded(self.database, hash, entry, self.settings.may_replace) {
                let key = self.logged(entry.view().key());
                return Err(format!("RDB has duplicated key '{key}' in DB {}", self.database));
            }
        }
        self.batch = batch;
        for (hash, key) in self.blessed.drain(..) {
            db.database_mut(self.database).dict.bless(hash, &key, true);
        }
        Ok(())
    }

    /// `key-load-delay`.
    #[inline]
    fn rest(&self) {
        super::rest(self.settings.key_delay_us, self.keys_met);
    }
}
