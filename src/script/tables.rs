//! The functions of the library `table` that Lua's own would let run without end.
//!
//! Lua's own are linear in the table they are given, and so are bounded (`bounds`), but for what they call and
//! what they make. A function of Lua's own that they call again and again runs no instruction in which others could be
//! looked after: one that accounts for its calls stands for it.

use super::lua::{Exit, Kind, Lua, Outcome, Step, function, stepwise};
use super::sandbox::{READ_ONLY, on_the_real_table, original, push_real, unless_protected, wrap};

/// How far in front of the first element `table.insert` may put one.
const INSERTED_BEFORE_MAX: i32 = 1_000_000;
/// Tables up to this many elements are sorted without an account, which the worst order makes a million comparisons.
const QUICKLY_SORTED_MAX: usize = 1024;
/// Bytes compared that nobody minds waiting for.
const QUICKLY_COMPARED_MAX: usize = 1 << 24;
/// What an element costs that is looked at, in bytes of work.
const ELEMENT: usize = 16;

/// Replaces functions of the library, which is on top.
pub fn replace(lua: Lua) {
    lua.push_function(function(concat), 0);
    lua.set_field(-2, "concat");
    wrap(
        lua,
        &[
            ("insert", function(insert)),
            ("sort", function(sort)),
            ("remove", function(unless_protected)),
            ("setn", function(unless_protected)),
            ("foreach", function(for_each)),
            ("foreachi", function(for_each_element)),
            ("maxn", function(on_the_real_table)),
        ],
    );
}

/// As Lua's, but not for long: a position far in front of the first element would have as many elements moved. It is an
/// integer of C, so that far behind the last one may be far in front of the first.
fn insert(lua: Lua) -> Outcome {
    if lua.top() == 3 && (lua.check_integer(2)? as i32) < -INSERTED_BEFORE_MAX {
        return Err(lua.wrong_argument(2, "position out of bounds"));
    }
    unless_protected(lua)
}

fn concat(lua: Lua) -> Outcome {
    let given = |index: i32| !matches!(lua.kind(index), Kind::None | Kind::Nil);
    let separator = if given(2) { lua.check_bytes(2)? } else { &[] };
    if lua.kind(1) != Kind::Table {
        return Err(Exit::Type(1, c"table"));
    }
    let first = if given(3) { lua.check_integer(3)? as i32 } else { 1 };
    let last = if given(4) { lua.check_integer(4)? as i32 } else { i32::try_from(lua.length(1)).unwrap_or(i32::MAX) };
    let mut joined = Vec::new();
    for position in first..=last {
        lua.raw_get_at(1, position);
        if !lua.is_text(-1) {
            let kind = lua.kind_name(-1);
            return Err(lua.error(format!("invalid value ({kind}) at index {position} in table for 'concat'")));
        }
        let text = lua.bytes(-1);
        lua.spend(text.len() + separator.len() + ELEMENT)?;
        lua.check_text(joined.len() + text.len() + separator.len())?;
        joined.extend_from_slice(text);
        if position < last {
            joined.extend_from_slice(separator);
        }
        lua.pop(1);
    }
    lua.push_bytes(&joined);
    Ok(1)
}

fn for_each(lua: Lua) -> Outcome {
    account_for_calls(lua);
    on_the_real_table(lua)
}

fn for_each_element(lua: Lua) -> Outcome {
    account_for_calls(lua);
    original(lua)
}

fn sort(lua: Lua) -> Outcome {
    if push_real(lua, 1) {
        return Err(lua.error_anywhere(READ_ONLY));
    }
    account_for_calls(lua);
    if matches!(lua.kind(2), Kind::None | Kind::Nil) && lua.kind(1) == Kind::Table && !is_sorted_quickly(lua)? {
        lua.set_top(1);
        lua.push_function(stepwise(is_less), 0);
    }
    original(lua)
}

/// Whether the table, of numbers and texts alone, cannot take long to sort.
fn is_sorted_quickly(lua: Lua) -> Result<bool, Exit> {
    let length = lua.length(1);
    if length > QUICKLY_SORTED_MAX {
        return Ok(false);
    }
    let mut longest = 1;
    for position in 1..=length as i32 {
        lua.raw_get_at(1, position);
        let kind = lua.kind(-1);
        if kind == Kind::String {
            longest = longest.max(lua.length(-1));
        }
        lua.pop(1);
        if !matches!(kind, Kind::String | Kind::Number) {
            return Ok(false);
        }
    }
    let compared = (length * length).saturating_mul(longest);
    lua.spend(compared.min(QUICKLY_COMPARED_MAX))?;
    Ok(compared <= QUICKLY_COMPARED_MAX)
}

/// What Lua compares by where no function is given.
fn is_less(lua: Lua, has_compared: &mut bool) -> Result<Step, Exit> {
    if std::mem::replace(has_compared, true) {
        return Ok(Step::Done(1));
    }
    match (lua.kind(1), lua.kind(2)) {
        (Kind::Number, Kind::Number) => lua.spend(ELEMENT)?,
        (Kind::String, Kind::String) => lua.spend(ELEMENT + lua.length(1).min(lua.length(2)))?,
        _ => lua.spend_call()?,
    }
    Ok(Step::Compare)
}

/// Has one that accounts for its calls stand for the function at argument 2, if that is not written in Lua.
fn account_for_calls(lua: Lua) {
    if lua.native(2).is_some() {
        lua.push_value(2);
        lua.push_function(stepwise(call_accounted_for), 1);
        lua.replace(2);
    }
}

/// Calls its upvalue.
fn call_accounted_for(lua: Lua, has_called: &mut bool) -> Result<Step, Exit> {
    if std::mem::replace(has_called, true) {
        return Ok(Step::Done(1));
    }
    lua.spend_call()?;
    let arguments = lua.top();
    lua.push_value(Lua::upvalue(1));
    lua.insert(1);
    Ok(Step::Call(arguments))
}
