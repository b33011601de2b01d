//! The functions of the library `string` that Lua's own would let run without end, or are slow: those that look for
//! patterns, and those that make a text of another byte by byte.
//!
//! Each has Lua's own function as its upvalue, and leaves it what cannot take long, and what is wrong. All else is done
//! here, accounted for as it is done.

use super::lua::{Exit, Kind, Lua, Outcome, Step, function, integer, stepwise};
use super::pattern::{self, Caught, Match, Stop};
use super::sandbox::{original, wrap};

/// The most special characters a pattern may have in effect: matching calls itself for each, and so uses up the stack.
const PATTERN_BYTES_MAX: usize = 8 * 1024;
/// The most bytes a substitution may make that is left to Lua.
const QUICK_BYTES_MAX: usize = 1 << 20;
/// How much is copied before it is accounted for.
const PIECE_BYTES: usize = 1 << 20;
/// What a match costs, besides the bytes compared and copied, in bytes of work.
const MATCH: usize = 256;
/// The size of a new buffer.
const BUFFER_BYTES: usize = 1024;

/// Replaces functions of the library, which is on top.
pub fn replace(lua: Lua) {
    let own = [
        ("rep", function(repeat)),
        ("lower", function(|lua| change(lua, <[u8]>::make_ascii_lowercase))),
        ("upper", function(|lua| change(lua, <[u8]>::make_ascii_uppercase))),
        ("reverse", function(|lua| change(lua, <[u8]>::reverse))),
    ];
    for (name, replacement) in own {
        lua.push_function(replacement, 0);
        lua.set_field(-2, name);
    }
    wrap(
        lua,
        &[
            ("find", function(find)),
            ("match", function(first_match)),
            ("gmatch", function(all_matches)),
            ("gfind", function(all_matches)),
            ("gsub", stepwise(substitute)),
        ],
    );
}

/// As Lua's, whose own copies what it has made so far again and again, and cannot be ended meanwhile.
fn repeat(lua: Lua) -> Outcome {
    let text = lua.check_bytes(1)?;
    let times = usize::try_from(lua.check_integer(2)? as i32).unwrap_or(0);
    let length = text.len().saturating_mul(times);
    lua.check_text(length)?;
    let mut made = Vec::with_capacity(length);
    if length > 0 {
        made.extend_from_slice(text);
    }
    while made.len() < length {
        let piece = made.len().min(length - made.len()).min(PIECE_BYTES.next_multiple_of(text.len()));
        made.extend_from_within(..piece);
        lua.spend(piece)?;
    }
    lua.push_bytes(&made);
    Ok(1)
}

/// As Lua's, which take a byte at a time.
fn change(lua: Lua, change: fn(&mut [u8])) -> Outcome {
    let text = lua.check_bytes(1)?;
    lua.check_text(text.len())?;
    let mut changed = text.to_vec();
    change(&mut changed);
    lua.spend(changed.len())?;
    lua.push_bytes(&changed);
    Ok(1)
}

/// As Lua's, whose search for plain text compares as much of it at each place as it can.
fn find(lua: Lua) -> Outcome {
    let Some(start) = start_of_search(lua) else { return original(lua) };
    if !lua.is_text(2) || !lua.boolean(4) && pattern::has_specials(lua.bytes(2)) {
        return match_once(lua, start, true);
    }
    let (text, wanted) = (lua.bytes(1), lua.bytes(2));
    lua.spend(text.len() - start)?;
    let Some(place) = memchr::memmem::find(&text[start..], wanted) else {
        lua.push_nil();
        return Ok(1);
    };
    lua.push_number((start + place + 1) as f64);
    lua.push_number((start + place + wanted.len()) as f64);
    Ok(2)
}

fn first_match(lua: Lua) -> Outcome {
    match start_of_search(lua) {
        Some(start) => match_once(lua, start, false),
        None => original(lua),
    }
}

/// Argument 3 counts from 1, or from the end where it is negative; nothing where it, or the text, is none.
fn start_of_search(lua: Lua) -> Option<usize> {
    let length = lua.is_text(1).then(|| lua.bytes(1).len())?;
    let start = match lua.kind(3) {
        Kind::None | Kind::Nil => 1,
        _ => lua.is_number(3).then(|| integer(lua.number(3)))?,
    };
    Some(match start {
        1.. => usize::try_from(start - 1).unwrap_or(length).min(length),
        0 => 0,
        _ => length.saturating_sub(usize::try_from(start.unsigned_abs()).unwrap_or(length)),
    })
}

/// Text and pattern are arguments 1 and 2: whether Lua may match them, which is accounted for then.
fn is_quick(lua: Lua) -> Result<bool, Exit> {
    let (text, pattern) = (lua.bytes(1), lua.bytes(2));
    if pattern.len() > PATTERN_BYTES_MAX && pattern::has_specials(pattern) {
        return Err(lua.error("pattern too complex"));
    }
    let cost = pattern::quick_cost(text, pattern);
    lua.spend(cost.unwrap_or(0))?;
    Ok(cost.is_some())
}

fn search(lua: Lua, from: usize, anchored: bool, indices: (i32, i32)) -> Result<Option<Match>, Exit> {
    lua.spend(MATCH)?;
    let (text, pattern) = (lua.bytes(indices.0), lua.bytes(indices.1));
    pattern::search(text, pattern, from, anchored, &mut |work| lua.charge(work)).map_err(|stop| match stop {
        Stop::Ended => lua.end(),
        Stop::Malformed(text) => lua.error(text),
    })
}

fn match_once(lua: Lua, start: usize, tells_where: bool) -> Outcome {
    if !lua.is_text(1) || !lua.is_text(2) || is_quick(lua)? {
        return original(lua);
    }
    let Some(found) = search(lua, start, pattern::is_anchored(lua.bytes(2)), (1, 2))? else {
        lua.push_nil();
        return Ok(1);
    };
    if !tells_where {
        return push_captures(lua, 1, &found, found.captures().max(1));
    }
    lua.push_number((found.start + 1) as f64);
    lua.push_number(found.end as f64);
    Ok(2 + push_captures(lua, 1, &found, found.captures())?)
}

/// Pushes the first captures of a match in the text at `text`; how many.
fn push_captures(lua: Lua, text: i32, found: &Match, count: usize) -> Outcome {
    if !lua.ensure(count as i32 + 2) {
        return Err(lua.error("stack overflow (too many captures)"));
    }
    for index in 0..count {
        push_capture(lua, text, found, index)?;
    }
    Ok(count as i32)
}

fn push_capture(lua: Lua, text: i32, found: &Match, index: usize) -> Result<(), Exit> {
    match found.caught(index).map_err(|fault| lua.error(fault))? {
        Caught::Text(from, to) => {
            lua.spend(to - from)?;
            lua.push_bytes(&lua.bytes(text)[from..to]);
        }
        Caught::Place(place) => lua.push_number((place + 1) as f64),
    }
    Ok(())
}

fn all_matches(lua: Lua) -> Outcome {
    if !lua.is_text(1) || !lua.is_text(2) || is_quick(lua)? {
        return original(lua);
    }
    lua.set_top(2);
    lua.push_number(0.0);
    lua.push_function(function(next_match), 3);
    Ok(1)
}

/// The function that `gmatch` returns: text, pattern, and where to look next are its upvalues.
fn next_match(lua: Lua) -> Outcome {
    let [text, pattern, place] = [1, 2, 3].map(Lua::upvalue);
    let Some(found) = search(lua, lua.number(place) as usize, false, (text, pattern))? else { return Ok(0) };
    let next = found.end + usize::from(found.end == found.start);
    lua.push_number(next as f64);
    lua.replace(place);
    push_captures(lua, text, &found, found.captures().max(1))
}

/// Where the result of a substitution is made, and the values below it: text, pattern and replacement.
const BUFFER: i32 = 4;

/// A substitution that goes on.
#[derive(Clone, Copy, Default)]
struct Substitution {
    has_begun: bool,
    /// A replacement was asked for, and is on top.
    asked: bool,
    /// The match that it is for.
    found: (usize, usize),
    anchored: bool,
    matches: i64,
    matches_max: i64,
    /// Where to look for the next match; behind the text when there are no more.
    at: usize,
    /// Up to where the text has been copied or replaced.
    copied: usize,
    /// How long the result is.
    length: usize,
}

fn substitute(lua: Lua, known: &mut Substitution) -> Result<Step, Exit> {
    if !known.has_begun {
        if is_left_to_lua(lua)? {
            return original(lua).map(Step::Done);
        }
        known.begin(lua)?;
    }
    if std::mem::take(&mut known.asked) {
        known.take_replacement(lua)?;
    }
    while known.matches < known.matches_max && known.at <= lua.bytes(1).len() {
        let Some(found) = search(lua, known.at, known.anchored, (1, 2))? else { break };
        known.matches += 1;
        known.found = (found.start, found.end);
        known.append(lua, &lua.bytes(1)[known.copied..found.start])?;
        known.copied = found.end;
        known.at = match known.anchored {
            true => usize::MAX,
            false => found.end + usize::from(found.end == found.start),
        };
        match lua.kind(3) {
            Kind::Function => {
                lua.spend_call()?;
                lua.push_value(3);
                known.asked = true;
                return Ok(Step::Call(push_captures(lua, 1, &found, found.captures().max(1))?));
            }
            Kind::Table => {
                lua.spend_call()?;
                push_capture(lua, 1, &found, 0)?;
                known.asked = true;
                return Ok(Step::Index(3));
            }
            _ => known.append_template(lua, &found)?,
        }
    }
    known.append(lua, &lua.bytes(1)[known.copied..])?;
    lua.push_text_of_block(BUFFER, known.length);
    lua.push_number(known.matches as f64);
    Ok(Step::Done(2))
}

/// Whether a substitution is wrong, or done by Lua in no time. Functions of Lua's own as replacements would be called
/// without anybody looking after others, and so would metamethods of tables.
fn is_left_to_lua(lua: Lua) -> Result<bool, Exit> {
    let kind = lua.kind(3);
    let is_right = lua.is_text(1)
        && lua.is_text(2)
        && matches!(kind, Kind::String | Kind::Number | Kind::Function | Kind::Table)
        && (matches!(lua.kind(4), Kind::None | Kind::Nil) || lua.is_number(4));
    if !is_right {
        return Ok(true);
    }
    let made = (lua.bytes(1).len() + 1).saturating_mul(if lua.is_text(3) { lua.bytes(3).len() + 1 } else { 1 });
    let is_quick = is_quick(lua)?;
    if is_quick && made <= QUICK_BYTES_MAX && kind != Kind::Table && lua.native(3).is_none() {
        lua.spend(made)?;
        return Ok(true);
    }
    Ok(false)
}

impl Substitution {
    fn begin(&mut self, lua: Lua) -> Result<(), Exit> {
        self.has_begun = true;
        self.anchored = pattern::is_anchored(lua.bytes(2));
        self.matches_max = match lua.kind(4) {
            Kind::None | Kind::Nil => i64::MAX,
            _ => i64::from(lua.check_integer(4)? as i32),
        };
        lua.set_top(3);
        lua.push_block(BUFFER_BYTES);
        Ok(())
    }

    fn append(&mut self, lua: Lua, bytes: &[u8]) -> Result<(), Exit> {
        lua.spend(bytes.len())?;
        let (length, room) = (self.length + bytes.len(), lua.length(BUFFER));
        if length > room {
            let room = length.max(room * 2);
            lua.check_room(room)?;
            lua.push_block(room);
            lua.copy_block(BUFFER, lua.top(), self.length);
            lua.spend(self.length)?;
            lua.replace(BUFFER);
        }
        lua.write_block(BUFFER, self.length, bytes);
        self.length = length;
        Ok(())
    }

    /// Takes what a function or a table gave for a match: nil and false leave it as it is.
    fn take_replacement(&mut self, lua: Lua) -> Result<(), Exit> {
        if !lua.boolean(-1) {
            self.append(lua, &lua.bytes(1)[self.found.0..self.found.1])?;
        } else if lua.is_text(-1) {
            self.append(lua, lua.bytes(-1))?;
        } else {
            return Err(lua.error(format!("invalid replacement value (a {})", lua.kind_name(-1))));
        }
        lua.pop(1);
        Ok(())
    }

    /// Appends a text in which `%0` to `%9` stand for captures, and `%` before anything else for that.
    fn append_template(&mut self, lua: Lua, found: &Match) -> Result<(), Exit> {
        let template = lua.bytes(3);
        let mut at = 0;
        while at < template.len() {
            let plain = memchr::memchr(b'%', &template[at..]).unwrap_or(template.len() - at);
            self.append(lua, &template[at..at + plain])?;
            at += plain + 2;
            if at > template.len() + 1 {
                break;
            }
            match template.get(at - 1).copied().unwrap_or(0) {
                b'0' => self.append(lua, &lua.bytes(1)[found.start..found.end])?,
                digit @ b'1'..=b'9' => {
                    push_capture(lua, 1, found, usize::from(digit - b'1'))?;
                    self.append(lua, lua.bytes(-1))?;
                    lua.pop(1);
                }
                other => self.append(lua, &[other])?,
            }
        }
        Ok(())
    }
}
