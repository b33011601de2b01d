//! Strings that are set or deleted only if they are what the caller believes: SET with IFEQ and its kin, DELEX, DELIFEQ.
//!
//! A value may be compared with a digest of it instead: XXH3 of 64 bits, as 16 hexadecimal digits, which DIGEST tells.
//! Such commands are propagated as what they came to, without their condition.

use xxhash_rust::xxh3::xxh3_64;

use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::{Key, StringRef};
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};

const DELETES: Access = Access::RM.and(Access::DELETE);
const READS_AND_DELETES: Access = Access::RW.and(Access::ACCESS).and(Access::DELETE);

const DIGEST_DIGITS: usize = 16;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("delex", Arity::at_least(2), delex)
        .group(Group::String)
        .flags(&[WRITE, FAST])
        .keys(&[Keys::at(1, Access::RW.and(Access::DELETE).and(Access::VARIABLE_FLAGS))])
        .find_keys(delex_keys)
        .docs(
            "8.4.0",
            "key [IFEQ ifeq-value|IFNE ifne-value|IFDEQ ifdeq-digest|IFDNE ifdne-digest]",
            "Deletes a key, if wanted only when its string or the digest of that is a certain one, or is not.",
        ),
    Command::new("delifeq", Arity::exactly(3), delifeq)
        .group(Group::String)
        .flags(&[WRITE, FAST])
        .keys(&[Keys::at(1, DELETES)])
        .docs("9.0.0", "key value", "Deletes a key if it holds a certain string."),
    Command::new("digest", Arity::exactly(2), digest)
        .group(Group::String)
        .flags(&[READONLY, FAST])
        .keys(&[Keys::at(1, Access::RO.and(Access::ACCESS))])
        .docs("8.4.0", "key", "Returns the digest of a string in hexadecimal digits."),
];

/// What a string is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition<'a> {
    by_digest: bool,
    /// Whether they are to be equal.
    equal: bool,
    operand: &'a [u8],
}

impl<'a> Condition<'a> {
    /// The condition at `index`, if a word for one stands there and something behind it.
    pub fn parse(args: &Args<'a>, index: usize) -> Option<Condition<'a>> {
        // Most options are others, which two letters tell.
        if !matches!(args.try_get(index), Some([b'i' | b'I', b'f' | b'F', ..])) {
            return None;
        }
        let words = [("IFEQ", false, true), ("IFNE", false, false), ("IFDEQ", true, true), ("IFDNE", true, false)];
        let (_, by_digest, equal) = words.into_iter().find(|(word, ..)| args.is(index, word))?;
        args.try_get(index + 1).map(|operand| Condition { by_digest, equal, operand })
    }

    /// Whether this is so of a string. A key that is not there is equal to nothing.
    ///
    /// # Errors
    /// When it is to be compared by a digest that is none.
    pub fn holds(self, value: Option<StringRef<'_>>) -> Result<bool, Error> {
        let Some(value) = value else { return Ok(!self.equal) };
        let mut digits = itoa::Buffer::new();
        let bytes = value.bytes(&mut digits);
        let same = match self.by_digest {
            true if self.operand.len() != DIGEST_DIGITS => {
                return Err(Error::fixed("ERR must be exactly 16 hexadecimal characters"));
            }
            true => digest_of(bytes).eq_ignore_ascii_case(self.operand),
            false => bytes == self.operand,
        };
        Ok(same == self.equal)
    }
}

fn digest_of(bytes: &[u8]) -> [u8; DIGEST_DIGITS] {
    let hash = xxh3_64(bytes);
    std::array::from_fn(|index| b"0123456789abcdef"[(hash >> (60 - 4 * index)) as usize & 15])
}

fn digest(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    match cx.db.string(&args.key(1))? {
        Some(value) => cx.reply.bulk(&digest_of(value.bytes(&mut itoa::Buffer::new()))),
        None => cx.reply.null(),
    }
    Ok(())
}

fn delex(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let condition = match args.len() {
        2 => None,
        4 => {
            const INVALID: Error = Error::fixed("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
            Some(Condition::parse(&args, 2).ok_or(INVALID)?)
        }
        _ => return Err(Error::wrong_arity(&cx.server.commands.entry(cx.command).full_name)),
    };
    let deletes = match (cx.db.write(&key), condition) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(slot), Some(condition)) => {
            const NO_STRING: Error = Error::fixed("ERR Key should be of string type if conditions are specified");
            condition.holds(Some(slot.view().string().ok_or(NO_STRING)?))?
        }
    };
    delete_if(cx, &key, deletes);
    Ok(())
}

/// A condition reads the value, which a user may have no right to.
fn delex_keys(args: Args<'_>) -> Option<Vec<FoundKey>> {
    let access = if args.len() > 2 { READS_AND_DELETES } else { DELETES };
    Some(vec![FoundKey { index: 1, access }])
}

fn delifeq(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let value = cx.db.string_mut(&key)?;
    let condition = Condition { by_digest: false, equal: true, operand: args.get(2) };
    let deletes = condition.holds(value.as_ref().and_then(|slot| slot.view().string()))?;
    delete_if(cx, &key, deletes);
    Ok(())
}

/// Deletes a key that is there, if wanted, and answers how many were deleted.
fn delete_if(cx: &mut Ctx<'_>, key: &Key<'_>, deletes: bool) {
    if deletes {
        cx.db.unlink(key, cx.server.config.lazyfree_lazy_user_del);
        cx.changed(key, Event::generic("del"));
        cx.propagate_instead(&[&b"DEL"[..], key.bytes()]);
    }
    cx.reply.integer(i64::from(deletes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::testbed::Testbed;

    #[test]
    fn a_digest_has_sixteen_digits_also_where_it_begins_with_zeros() {
        assert_eq!(&digest_of(b"Hello world"), b"b6acb9d84a38ff74");
        let with_zeros: &[u8] =
            b"v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjytls2kwlj7626sd";
        assert_eq!(&digest_of(with_zeros), b"00006c38adf31777");
    }

    #[test]
    fn conditional_deletions_are_propagated_as_plain_ones() {
        let mut bed = Testbed::new();
        let digest = String::from_utf8_lossy(&digest_of(b"v")).into_owned();
        let commands = [
            "delex k".to_owned(),
            "delex k IFEQ v".into(),
            "delex k ifne w".into(),
            format!("delex k IFDEQ {}", digest.to_uppercase()),
            "delex k IFDNE 0123456789abcdef".into(),
            "delifeq k v".into(),
        ];
        for command in &commands {
            bed.run("set k v");
            assert_eq!(bed.propagated(command), ["DEL k"], "{command}");
            assert_eq!(bed.propagated(command), [""; 0], "{command}");
        }
        bed.run("set k v");
        let refused = ["delex k IFEQ w", "delex k IFNE v", "delex k IFDEQ 0123456789abcdef", "delifeq k w"];
        for command in refused.into_iter().map(str::to_owned).chain([format!("delex k IFDNE {digest}")]) {
            assert_eq!(bed.propagated(&command), [""; 0], "{command}");
            assert_eq!(bed.run(&command), ":0\r\n", "{command}");
        }
    }

    #[test]
    fn a_conditional_set_is_propagated_without_its_condition() {
        let mut bed = Testbed::new();
        assert_eq!(bed.propagated("set k v IFEQ w"), [""; 0]);
        assert_eq!(bed.propagated("set k v IFNE w"), ["set k v"]);
        assert_eq!(bed.propagated("set k w IFEQ v keepttl GET"), ["set k w keepttl"]);
        assert_eq!(bed.propagated("set k GET get ifeq w"), ["set k GET"]);
        assert_eq!(bed.propagated("set k w IFEQ GET PXAT 4000000000000"), ["SET k w PXAT 4000000000000"]);
    }
}
