//! Adding without adding twice: what XADD has for it, XCFGSET and XIDMPRECORD.
//!
//! A producer gives each entry a name, or has the server make one of what is in it. An entry whose name is remembered is
//! not added; the answer is the id that the first one got, whether that is still there or not. What was added is
//! propagated with its id and its name, so that it is remembered everywhere; what was not is no change.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::shared::id;
use crate::command::error::{CmdResult, NO_SUCH_KEY, SYNTAX};
use crate::command::{Args, Error};
use crate::server::execution::Ctx;
use crate::types::Stream;
use crate::types::stream::{ProducerSettings, StreamId};

/// Bytes of a name that the server makes.
const NAME_BYTES: usize = 16;

/// What holds for streams that XCFGSET was never called for.
pub fn default_settings(cx: &Ctx<'_>) -> ProducerSettings {
    let config = &cx.server.config;
    ProducerSettings { duration_s: config.stream_idmp_duration, records_max: config.stream_idmp_maxsize }
}

/// The options IDMP and IDMPAUTO of XADD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The argument with the option.
    at: usize,
    /// Whether the name is made of what is in the entry.
    auto: bool,
}

impl Origin {
    /// The option at an argument, and how many arguments it takes. Behind an earlier one it is an error.
    pub fn parse(args: &Args<'_>, at: usize, earlier: Option<Origin>) -> Result<Option<(Origin, usize)>, Error> {
        const TWICE: Error = Error::fixed("ERR IDMP/IDMPAUTO specified multiple times");
        let (auto, taken) = match at {
            _ if args.is(at, "idmp") && at + 2 < args.len() => (false, 3),
            _ if args.is(at, "idmpauto") && at + 1 < args.len() => (true, 2),
            _ => return Ok(None),
        };
        if earlier.is_some() {
            return Err(TWICE);
        }
        if args.get(at + 1).is_empty() {
            let option = if auto { "IDMPAUTO" } else { "IDMP" };
            return Err(Error::text(format!("ERR {option} requires a non-empty producer ID")));
        }
        if !auto && args.get(at + 2).is_empty() {
            return Err(NO_NAME);
        }
        Ok(Some((Origin { at, auto }, taken)))
    }

    /// The producer's name.
    pub fn producer<'a>(self, args: &Args<'a>) -> &'a [u8] {
        args.get(self.at + 1)
    }

    /// The entry's name; its fields begin at `first`.
    pub fn name<'a>(self, args: &Args<'a>, first: usize) -> Cow<'a, [u8]> {
        match self.auto {
            false => Cow::Borrowed(args.get(self.at + 2)),
            true => Cow::Owned(name_of((first..args.len()).step_by(2).map(|at| (args.get(at), args.get(at + 1))))),
        }
    }

    /// Makes the words of the command name the entry, also if the server has made that name.
    pub fn write_out<'w>(self, words: &mut Vec<&'w [u8]>, name: &'w [u8]) {
        if self.auto {
            words[self.at] = b"IDMP";
            words.insert(self.at + 2, name);
        }
    }
}

/// A name for what is in an entry: the same for the same fields with the same values in any order. Two entries must not
/// get the same one by chance or by intent, since the second would be lost.
fn name_of<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let mut fields: Vec<_> = fields.collect();
    fields.sort_unstable();
    let mut hash = Sha256::new();
    for text in fields.into_iter().flat_map(|(field, value)| [field, value]) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize()[..NAME_BYTES].to_vec()
}

/// The id that the entry of a name got when it was added first; counts that it was not added again. What was added
/// elsewhere was added.
pub fn find_duplicate(
    stream: &mut Stream,
    (producer, name): (&[u8], &[u8]),
    now_ms: i64,
    must_obey: bool,
) -> Option<StreamId> {
    let producers = stream.producers_mut().filter(|_| !must_obey)?;
    let id = producers.find(producer, name, now_ms)?;
    producers.duplicates += 1;
    Some(id)
}

const NO_NAME: Error = Error::fixed("ERR IDMP requires a non-empty idempotent ID");

pub fn xcfgset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NOTHING: Error = Error::fixed("ERR At least one parameter must be specified");
    const DURATION: &str = "ERR IDMP-DURATION must be between 1 and 86400 seconds";
    const RECORDS: &str = "ERR IDMP-MAXSIZE must be between 1 and 10000 entries";
    let (mut duration_s, mut records_max) = (None, None);
    if args.len() == 2 {
        return Err(NOTHING);
    }
    for index in (2..args.len()).step_by(2) {
        let (setting, range, error) = match index + 1 < args.len() {
            true if args.is(index, "idmp-duration") => (&mut duration_s, ProducerSettings::DURATION_S, DURATION),
            true if args.is(index, "idmp-maxsize") => (&mut records_max, ProducerSettings::RECORDS_MAX, RECORDS),
            _ => return Err(SYNTAX),
        };
        let value = u32::try_from(args.integer(index + 1)?).ok().filter(|value| range.contains(value));
        if setting.replace(value.ok_or(Error::fixed(error))?).is_some() {
            let name = String::from_utf8_lossy(args.get(index)).to_uppercase();
            return Err(Error::text(format!("ERR {name} specified multiple times")));
        }
    }
    let defaults = default_settings(cx);
    let stream = cx.db.collection_mut::<Stream>(&args.key(1))?.ok_or(NO_SUCH_KEY)?;
    let producers = stream.producers_or_new(defaults);
    let before = producers.settings();
    let settings = ProducerSettings {
        duration_s: duration_s.unwrap_or(before.duration_s),
        records_max: records_max.unwrap_or(before.records_max),
    };
    producers.set(settings);
    cx.reply.ok();
    cx.db.dirty += 1;
    // Elsewhere other things may hold where nothing is said.
    let (duration_s, records_max) = (settings.duration_s.to_string(), settings.records_max.to_string());
    let words: [&[u8]; 6] =
        [b"XCFGSET", args.get(1), b"IDMP-DURATION", duration_s.as_bytes(), b"IDMP-MAXSIZE", records_max.as_bytes()];
    cx.propagate_instead(&words);
    Ok(())
}

pub fn xidmprecord(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NO_ENTRY: Error = Error::fixed("ERR The specified stream ID was deleted or doesn't exist");
    const OTHER_ID: Error =
        Error::fixed("ERR The specified IDMP producer-id/idempotent-id pair maps to a different stream ID");
    let (producer, name, id) = (args.get(2), args.get(3), id(&args, 4)?);
    if producer.is_empty() {
        return Err(Error::fixed("ERR IDMP requires a non-empty producer ID"));
    }
    if name.is_empty() {
        return Err(NO_NAME);
    }
    let (defaults, now_ms, must_obey) = (default_settings(cx), cx.clock_ms(), cx.must_obey());
    let stream = cx.db.collection_mut::<Stream>(&args.key(1))?.ok_or(NO_SUCH_KEY)?;
    // What was remembered when a log was written may have been deleted before.
    if stream.log().get(id).is_none() && !must_obey {
        return Err(NO_ENTRY);
    }
    match stream.producers().and_then(|producers| producers.find(producer, name, now_ms)) {
        Some(known) if known == id => {}
        Some(_) if !must_obey => return Err(OTHER_ID),
        Some(_) | None => {
            stream.producers_or_new(defaults).record(producer, name, id, now_ms);
            cx.db.dirty += 1;
        }
    }
    cx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::ProtectedAction;
    use crate::db::Key;
    use crate::resp::Protocol;
    use crate::server::testbed::Testbed;
    use crate::types::Stream;
    use crate::types::stream::Producers;

    fn line(bed: &mut Testbed, command: &str) -> String {
        bed.run(command).replace("\r\n", " ").trim_end().to_owned()
    }

    /// What XINFO STREAM tells of producers: the six numbers.
    fn numbers(bed: &mut Testbed, key: &str) -> Vec<i64> {
        let told = bed.run(&format!("XINFO STREAM {key}"));
        let told = &told[told.find("idmp-duration").expect("the fields")..];
        let numbers = told.split("\r\n").filter_map(|line| line.strip_prefix(':')?.parse().ok());
        numbers.take(6).collect()
    }

    #[test]
    fn an_entry_of_a_known_name_is_not_added_and_gets_the_id_of_the_first() {
        let mut bed = Testbed::new();
        let first = bed.run("XADD s IDMP p one * f v");
        assert_eq!(bed.run("XADD s MAXLEN ~ 9 idmp p one KEEPREF * other fields"), first);
        assert_eq!(bed.propagated("XADD s IDMP p one * f v"), [""; 0]);
        let others = [bed.run("XADD s IDMP q one * f v"), bed.run("XADD s NOMKSTREAM IDMP p two * f v")];
        assert!(others[0] != first && others[1] != first && others[0] != others[1]);
        assert_eq!(bed.run("XLEN s"), ":3\r\n");
        assert_eq!(numbers(&mut bed, "s"), [100, 100, 2, 3, 3, 2]);
        // It stays known when the entry is gone.
        bed.run("XTRIM s MAXLEN 0");
        assert_eq!(bed.run("XADD s IDMP p one * f v"), first);
        assert_eq!(bed.run("XADD none NOMKSTREAM IDMP p one * f v"), "$-1\r\n");
        bed.protocol = Protocol::Resp3;
        assert_eq!(bed.run("XADD s IDMP p one * f v"), first);
        assert!(bed.run("XINFO STREAM s").starts_with("%16\r\n"));
    }

    #[test]
    fn a_name_that_is_made_of_the_fields_regards_all_but_their_order() {
        let mut bed = Testbed::new();
        let first = bed.run("XADD s IDMPAUTO p * a 1 b 2");
        assert_eq!(bed.run("XADD s IDMPAUTO p * b 2 a 1"), first);
        for (number, fields) in
            ["a 2 b 1", "a 1", "a 1 b 2 b 2", "a 1 a 1 b 2", "a1 b 2 ", "1 a 2 b"].iter().enumerate()
        {
            assert_ne!(bed.run(&format!("XADD s IDMPAUTO p * {fields}")), first, "{fields}");
            assert_eq!(bed.run("XLEN s"), format!(":{}\r\n", number + 2), "{fields}");
        }
        assert_ne!(bed.run("XADD s IDMPAUTO q * a 1 b 2"), first);
        let empty = bed.run_words(&["XADD", "s", "IDMPAUTO", "p", "*", "", ""]);
        assert_eq!(bed.run_words(&["XADD", "s", "IDMPAUTO", "p", "*", "", ""]), empty);
    }

    #[test]
    fn what_was_added_is_propagated_with_its_id_and_its_name() {
        let mut bed = Testbed::new();
        let named = bed.propagated("XADD s MAXLEN ~ 5 IDMP p one * f v");
        let id = named[0].strip_prefix("XADD s MAXLEN = 1 IDMP p one ").and_then(|rest| rest.strip_suffix(" f v"));
        assert!(id.is_some_and(|id| id.ends_with("-0")), "{named:?}");
        let words = ["XADD", "s", "IDMPAUTO", "p", "MAXLEN", "~", "5", "*", "f", "v"];
        let made = bed.propagated_words(&words);
        assert!(made[0].starts_with("XADD s IDMP p ") && made[0].contains(" MAXLEN = 2 "), "{made:?}");
        assert_eq!(bed.propagated("XCFGSET s IDMP-MAXSIZE 7"), ["XCFGSET s IDMP-DURATION 100 IDMP-MAXSIZE 7"]);
    }

    #[test]
    fn names_are_for_entries_whose_ids_the_server_finds() {
        let mut bed = Testbed::new();
        for (command, error) in [
            ("IDMP p * f v", "Invalid stream ID specified as stream command argument"),
            ("IDMP p i 1-1 f v", "IDMP/IDMPAUTO can be used only with auto-generated IDs"),
            ("IDMP p i 1-* f v", "IDMP/IDMPAUTO can be used only with auto-generated IDs"),
            ("IDMPAUTO p 1-1 f v", "IDMP/IDMPAUTO can be used only with auto-generated IDs"),
            ("IDMP p i IDMP q j * f v", "IDMP/IDMPAUTO specified multiple times"),
            ("IDMPAUTO p IDMP q i * f v", "IDMP/IDMPAUTO specified multiple times"),
            ("IDMPAUTO p IDMPAUTO q * f v", "IDMP/IDMPAUTO specified multiple times"),
            ("IDMP  i * f v", "IDMP requires a non-empty producer ID"),
            ("IDMP p  * f v", "IDMP requires a non-empty idempotent ID"),
            ("IDMPAUTO  * f v", "IDMPAUTO requires a non-empty producer ID"),
            ("IDMPAUTO p *", "wrong number of arguments for 'xadd' command"),
            ("IDMP p i", "wrong number of arguments for 'xadd' command"),
        ] {
            assert_eq!(line(&mut bed, &format!("XADD s {command}")), format!("-ERR {error}"), "{command}");
        }
        assert_eq!(bed.run("EXISTS s"), ":0\r\n");
        assert!(bed.run("XADD s IDMP * * * f v").starts_with('$'));
    }

    #[test]
    fn settings_of_a_stream_hold_for_it_alone_and_make_it_forget_when_they_change() {
        let mut bed = Testbed::new();
        bed.run("CONFIG SET stream-idmp-duration 50 stream-idmp-maxsize 2");
        bed.run("XADD other 1-0 f v");
        let first = bed.run("XADD s IDMP p one * f v");
        assert_eq!(numbers(&mut bed, "s"), [50, 2, 1, 1, 1, 0]);
        assert_eq!(line(&mut bed, "XCFGSET s IDMP-DURATION 50 IDMP-MAXSIZE 2"), "+OK");
        assert_eq!(bed.run("XADD s IDMP p one * f v"), first);
        assert_eq!(line(&mut bed, "XCFGSET s idmp-maxsize 3"), "+OK");
        assert_eq!(numbers(&mut bed, "s"), [50, 3, 0, 0, 1, 1]);
        assert_ne!(bed.run("XADD s IDMP p one * f v"), first);
        for name in ["two", "three", "four"] {
            bed.run(&format!("XADD s IDMP p {name} * f v"));
        }
        assert_eq!(numbers(&mut bed, "s"), [50, 3, 1, 3, 5, 1]);
        assert_eq!(numbers(&mut bed, "other"), [50, 2, 0, 0, 0, 0]);
        assert!(bed.run("XINFO STREAM s FULL").starts_with("*30\r\n"));
        for (setting, most, error) in [
            ("IDMP-DURATION", 86_400, "IDMP-DURATION must be between 1 and 86400 seconds"),
            ("IDMP-MAXSIZE", 10_000, "IDMP-MAXSIZE must be between 1 and 10000 entries"),
        ] {
            for value in [0, -1, most + 1, i64::MAX, i64::MIN] {
                assert_eq!(line(&mut bed, &format!("XCFGSET s {setting} {value}")), format!("-ERR {error}"));
            }
            for value in [1, most] {
                assert_eq!(line(&mut bed, &format!("XCFGSET s {setting} {value}")), "+OK");
            }
            let not_an_integer = "-ERR value is not an integer or out of range";
            for value in ["A", "3.14", "000", "120-5", "IDMP-DURATION", "9223372036854775808"] {
                assert_eq!(line(&mut bed, &format!("XCFGSET s {setting} {value} {setting}")), not_an_integer);
            }
            let twice = format!("-ERR {setting} specified multiple times");
            assert_eq!(line(&mut bed, &format!("XCFGSET s {setting} 1 {setting} 1")), twice);
            assert_eq!(line(&mut bed, &format!("XCFGSET s {setting}")), "-ERR syntax error");
        }
        assert_eq!(line(&mut bed, "XCFGSET s INVALID 1"), "-ERR syntax error");
        assert_eq!(line(&mut bed, "XCFGSET s"), "-ERR At least one parameter must be specified");
        assert_eq!(line(&mut bed, "XCFGSET none IDMP-MAXSIZE 1"), "-ERR no such key");
        bed.run("SET text v");
        assert!(line(&mut bed, "XCFGSET text IDMP-MAXSIZE 1").starts_with("-WRONGTYPE"));
    }

    #[test]
    fn a_name_can_be_given_to_an_entry_that_is_there() {
        let mut bed = Testbed::new();
        let now = bed.server.clock.unix_ms();
        for seq in 0..2 {
            bed.run(&format!("XADD s {now}-{seq} f v"));
        }
        let one = format!("XIDMPRECORD s p one {now}-0");
        assert_eq!(bed.propagated(&one), std::slice::from_ref(&one));
        assert_eq!((line(&mut bed, &one), bed.propagated(&one)), ("+OK".to_owned(), vec![]));
        assert_eq!(line(&mut bed, "XADD s IDMP p one * f v"), format!("${} {now}-0", now.to_string().len() + 2));
        let other = "-ERR The specified IDMP producer-id/idempotent-id pair maps to a different stream ID";
        assert_eq!(line(&mut bed, &format!("XIDMPRECORD s p one {now}-1")), other);
        let missing = "-ERR The specified stream ID was deleted or doesn't exist";
        bed.run(&format!("XDEL s {now}-1"));
        assert_eq!(line(&mut bed, &format!("XIDMPRECORD s p two {now}-1")), missing);
        assert_eq!(line(&mut bed, "XIDMPRECORD none p two 1-1"), "-ERR no such key");
        let empty = [("", "i", "producer"), ("p", "", "idempotent")];
        for (producer, name, what) in empty {
            let reply = bed.run_words(&["XIDMPRECORD", "s", producer, name, "1-1"]);
            assert_eq!(reply, format!("-ERR IDMP requires a non-empty {what} ID\r\n"));
        }
        let invalid = "-ERR Invalid stream ID specified as stream command argument";
        assert_eq!(line(&mut bed, "XIDMPRECORD s p two x"), invalid);
    }

    #[test]
    fn what_is_too_old_goes_with_the_next_entry() {
        let mut bed = Testbed::new();
        let old = bed.server.clock.unix_ms() - 3000;
        bed.run(&format!("XADD s {old}-0 f v"));
        bed.run("XCFGSET s IDMP-DURATION 2");
        bed.run(&format!("XIDMPRECORD s p one {old}-0"));
        assert_eq!(numbers(&mut bed, "s"), [2, 100, 0, 0, 1, 0]);
        let records = |bed: &mut Testbed| {
            let stream = bed.db.collection::<Stream>(&Key::new(b"s")).ok().flatten();
            stream.and_then(Stream::producers).map(Producers::records)
        };
        assert_eq!(records(&mut bed), Some(1));
        // An id of the past is no measure of age, the present is.
        bed.run(&format!("XADD s {old}-1 f v"));
        assert_eq!(records(&mut bed), Some(1));
        bed.run("XADD s * f v");
        assert_eq!(records(&mut bed), Some(0));
    }

    #[test]
    fn a_copy_remembers_what_the_stream_does() {
        let mut bed = Testbed::new();
        let first = bed.run("XADD s IDMP p one * f v");
        bed.run("XGROUP CREATE s g 0");
        bed.run("XREADGROUP GROUP g c STREAMS s >");
        let id = first.split("\r\n").nth(1).expect("the id").to_owned();
        bed.run(&format!("XNACK s g FAIL IDS 1 {id}"));
        bed.run("COPY s t");
        bed.run("XADD s IDMP p two * f v");
        assert_eq!(bed.run("XADD t IDMP p one * f v"), first);
        assert_eq!(numbers(&mut bed, "t"), [100, 100, 1, 1, 1, 1]);
        assert!(bed.run("XINFO STREAM t FULL").contains("nacked-count\r\n:1\r\n"));
    }

    #[test]
    fn the_digest_tells_what_would_be_added_twice() {
        let mut bed = Testbed::new();
        bed.server.config.enable_debug_command = ProtectedAction::Yes;
        let now = bed.server.clock.unix_ms();
        bed.run(&format!("XADD s {now}-0 f v"));
        bed.run(&format!("XADD s {}-0 f v", now + 1));
        let mut digest = |command: &str| {
            bed.run(command);
            bed.run("DEBUG DIGEST-VALUE s")
        };
        let plain = digest("PING");
        // One that was too old when the last entry came tells nothing: it may be gone elsewhere.
        let one = digest(&format!("XIDMPRECORD s p one {now}-0"));
        assert_ne!(plain, one);
        assert_ne!(digest(&format!("XIDMPRECORD s p two {now}-0")), one);
        assert_eq!(digest("XCFGSET s IDMP-DURATION 1"), plain);
    }
}
