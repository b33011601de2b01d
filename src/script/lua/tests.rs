//! Tests of the interface to Lua.

use super::*;

#[test]
fn numbers_are_written_as_c_writes_them() {
    let text = |number: f64, digits: c_int| {
        let mut buffer = [0; 64];
        let length = format_number(number, digits, &mut buffer);
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert_eq!(text(0.1, 14), "0.1");
    assert_eq!(text(1e15, 14), "1e+15");
    assert_eq!(text(0.1, 17), "0.10000000000000001");
    assert_eq!(text(f64::INFINITY, 17), "inf");
}

#[test]
fn numbers_are_read_as_c_reads_them() {
    assert_eq!(parse_number(c"12.5e1x"), (125.0, 6));
    assert_eq!(parse_number(c"0x10"), (16.0, 4));
    assert_eq!(parse_number(c"x").1, 0);
}

#[test]
fn memory_is_limited_while_lua_runs_and_given_back() {
    let state = State::new(4 << 20);
    let lua = state.lua();
    LIBRARIES.iter().for_each(|(name, library)| lua.open(name, *library));
    let before = state.used();
    for _ in 0..3 {
        lua.push_bytes(b"=test");
        assert_eq!(lua.load(b"return string.rep('x', 64 * 1024 * 1024)"), Status::Done);
        assert_eq!(lua.call(0, 1, 0), Status::Failed);
        assert_eq!(lua.bytes(-1), b"not enough memory");
        lua.pop(1);
    }
    lua.collect();
    assert!(state.used() < before + (1 << 20));
}

#[test]
fn precompiled_code_is_refused() {
    let state = State::new(usize::MAX);
    let lua = state.lua();
    lua.push_bytes(b"=test");
    assert_eq!(lua.load(b"\x1bLua"), Status::Failed);
    assert!(lua.bytes(-1).starts_with(b"test:1:"), "{}", String::from_utf8_lossy(lua.bytes(-1)));
}

#[test]
fn errors_of_rust_functions_are_caught_by_lua() {
    let state = State::new(usize::MAX);
    let lua = state.lua();
    LIBRARIES.iter().for_each(|(name, library)| lua.open(name, *library));
    lua.push_globals();
    lua.push_function(function(|lua| Err(lua.error("no"))), 0);
    lua.set_field(-2, "fail");
    lua.push_function(
        function(|lua| Ok(lua.check_number(1).map(|number| lua.push_number(number + 1.0))?).map(|()| 1)),
        0,
    );
    lua.set_field(-2, "more");
    lua.pop(1);
    lua.push_bytes(b"=test");
    let code = b"local a, b = pcall(fail)\nlocal c, d = pcall(more)\nreturn b .. '|' .. d .. '|' .. more(41)";
    assert_eq!(lua.load(code), Status::Done);
    assert_eq!(lua.call(0, 1, 0), Status::Done);
    assert_eq!(lua.bytes(-1), b"no|bad argument #1 to '?' (number expected, got no value)|42");
}
