//! What stands between the keys of a file: opcodes by number, fork and version, a row and a function each.

use super::super::format::{PROTECTION, VERSION_CHECKSUM, opcode};
use super::super::read::Cursor;
use super::super::value::template;
use super::super::version::{Fork, Since};
use super::{Seen, Stage, State, Stop, module};
use crate::db::Databases;
use crate::db::slot::SLOTS;

/// Reads what stands behind an opcode.
type Read = fn(&mut State, &mut Cursor<'_>, &mut Databases) -> Result<(), Stop>;

/// What stands where the type of a value could.
pub struct Opcode {
    number: u8,
    /// Who has it.
    since: Since,
    /// What `redis-check-rdb` says that it was doing.
    pub doing: &'static str,
    /// Reads what stands behind it.
    pub read: Read,
}

impl Opcode {
    const fn new(number: u8, doing: &'static str, since: Since, read: Read) -> Opcode {
        Opcode { number, since, doing, read }
    }
}

const OPCODES: &[Opcode] = &[
    Opcode::new(opcode::KEY_NO_EVICT, "read-type", PROTECTION, key_no_evict),
    Opcode::new(opcode::HASH_TEMPLATE, "read-hash-template", Since::redis(15), hash_template),
    Opcode::new(opcode::KEY_META, "read-key-meta", Since::redis(13), key_meta),
    Opcode::new(opcode::VALKEY_SLOT_IMPORT, "read-slot-import", Since::valkey(80), slot_import),
    Opcode::new(opcode::SLOT_INFO, "read-len", Since::redis(12).or(Since::valkey(80)), slot_info),
    Opcode::new(opcode::FUNCTION, "read-functions", Since::both(10), function),
    Opcode::new(opcode::FUNCTION_EARLY, "read-functions", Since::both(10), function_early),
    Opcode::new(opcode::MODULE_AUX, "read-module-aux", Since::both(9), module_aux),
    Opcode::new(opcode::IDLE, "read-type", Since::both(9), idle),
    Opcode::new(opcode::FREQUENCY, "read-type", Since::both(9), frequency),
    Opcode::new(opcode::AUX, "read-aux", Since::both(7), aux),
    Opcode::new(opcode::RESIZE_DB, "read-len", Since::both(7), resize_db),
    Opcode::new(opcode::EXPIRE_MS, "read-expire", Since::both(3), expire_ms),
    Opcode::new(opcode::EXPIRE, "read-expire", Since::both(1), expire),
    Opcode::new(opcode::SELECT_DB, "read-len", Since::both(1), select_db),
    Opcode::new(opcode::EOF, "read-type", Since::both(1), end),
];

type Table = [Option<&'static Opcode>; 256];

const fn table(fork: Fork) -> Table {
    let mut table: Table = [None; 256];
    let mut row = 0;
    while row < OPCODES.len() {
        if OPCODES[row].since.is_of(fork) {
            assert!(table[OPCODES[row].number as usize].is_none(), "a number stands for one opcode in a fork");
            table[OPCODES[row].number as usize] = Some(&OPCODES[row]);
        }
        row += 1;
    }
    table
}

static REDIS: Table = table(Fork::Redis);
static VALKEY: Table = table(Fork::Valkey);

/// What a number stands for in files of a fork.
#[inline]
pub fn opcode(fork: Fork, number: u8) -> Option<&'static Opcode> {
    match fork {
        Fork::Redis | Fork::Own => REDIS[usize::from(number)],
        Fork::Valkey => VALKEY[usize::from(number)],
    }
}

fn expire_ms(state: &mut State, cursor: &mut Cursor<'_>, _: &mut Databases) -> Result<(), Stop> {
    state.header.expire = Some(cursor.time_ms()?);
    Ok(())
}

fn expire(state: &mut State, cursor: &mut Cursor<'_>, _: &mut Databases) -> Result<(), Stop> {
    state.header.expire = Some(i64::from(cursor.u32()?) * 1000);
    Ok(())
}

fn frequency(state: &mut State, cursor: &mut Cursor<'_>, _: &mut Databases) -> Result<(), Stop> {
    state.header.frequency = Some(cursor.byte()?);
    Ok(())
}

fn idle(state: &mut State, cursor: &mut Cursor<'_>, _: &mut Databases) -> Result<(), Stop> {
    state.header.idle_seconds = Some(cursor.length()?);
    Ok(())
}

fn select_db(state: &mut State, cursor: &mut Cursor<'_>, db: &mut Databases) -> Result<(), Stop> {
    let number = cursor.count()?;
    state.put_in(db).map_err(Stop::Bad)?;
    state.note(cursor, || Seen::Database(number));
    if number >= db.count() && !state.settings.discard {
        return Err(Stop::Bad(format!(
            "FATAL: Data file was created with a Redis server configured to handle more than {} databases",
            db.count()
        )));
    }
    state.database = number;
    Ok(())
}

fn resize_db(state: &mut State, cursor: &mut Cursor<'_>, db: &mut Databases) -> Result<(), Stop> {
    let (keys, expiring) = (cursor.length()?, cursor.length()?);
    if !state.settings.discard {
        let dict = &mut db.database_mut(state.database).dict;
        // Where keys are kept by slot the room for them is made slot by slot.
        let keys = if dict.is_by_slot() { 0 } else { state.grant(keys) };
        dict.reserve(keys, state.grant(expiring));
    }
    Ok(())
}

/// Numbers of a slot of a cluster: the slot, its keys, those that expire.
fn slot_info(state: &mut State, cursor: &mut Cursor<'_>, db: &mut Databases) -> Result<(), Stop> {
    let (slot, keys, _) = (cursor.length()?, cursor.length()?, cursor.length()?);
    if slot < SLOTS as u64 && !state.settings.discard {
        let keys = state.grant(keys);
        db.database_mut(state.database).dict.reserve_in_slot(slot as usize, keys);
    }
    Ok(())
}

fn key_no_evict(state: &mut State, _: &mut Cursor<'_>, _: &mut Databases) -> Result<(), Stop> {
    state.header.blessed = true;
    Ok(())
}

fn hash_template(state: &mut State, cursor: &mut Cursor<'_>, _: &mut Databases) -> Result<(), Stop> {
    Ok(template::read(cursor, &mut state.context)?)
}

/// There are no modules, so that what they have attached is left out.
fn key_meta(_: &mut State, cursor: &mut Cursor<'_>, _: &mut Databases) -> Result<(), Stop> {
    Ok(module::skip_meta(cursor)?)
}

/// There is no cluster: slots that were on their way elsewhere are not there.
fn slot_import(_: &mut State, cursor: &mut Cursor<'_>, _: &mut Databases) -> Result<(), Stop> {
    let name = cursor.vec()?;
    for _ in 0..cursor.count()? {
        _ = (cursor.length()?, cursor.length()?);
    }
    log::warn!("The RDB file contains slots being imported by job '{}'. Skipped.", name.escape_ascii());
    Ok(())
}

fn aux(state: &mut State, cursor: &mut Cursor<'_>, _: &mut Databases) -> Result<(), Stop> {
    let (name, text) = (cursor.vec()?, cursor.vec()?);
    let name = String::from_utf8_lossy(&name).into_owned();
    state.note(cursor, || Seen::Aux(name.clone(), text.clone()));
    state.note_aux(name, text);
    Ok(())
}

fn function(state: &mut State, cursor: &mut Cursor<'_>, _: &mut Databases) -> Result<(), Stop> {
    state.functions.push(cursor.vec()?);
    Ok(())
}

fn function_early(_: &mut State, _: &mut Cursor<'_>, _: &mut Databases) -> Result<(), Stop> {
    Err(Stop::Bad("Pre-release function format not supported.".to_owned()))
}

fn module_aux(_: &mut State, cursor: &mut Cursor<'_>, _: &mut Databases) -> Result<(), Stop> {
    Ok(module::skip_aux(cursor)?)
}

fn end(state: &mut State, _: &mut Cursor<'_>, db: &mut Databases) -> Result<(), Stop> {
    state.put_in(db).map_err(Stop::Bad)?;
    if !state.settings.discard {
        db.end_sharing_of_few(state.context.rules.sharing.hashes_min);
    }
    let has_checksum = state.context.version.is_from(VERSION_CHECKSUM);
    state.stage = if has_checksum { Stage::Checksum } else { Stage::Done };
    Ok(())
}
