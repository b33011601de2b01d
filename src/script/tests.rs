//! Scripts, from EVAL to the reply: libraries, effects, the cache, rights.

mod bits;
mod json;
mod msgpack;
mod packing;

use crate::server::testbed::Testbed;

/// A reply as one line: arrays in brackets, strings as they are, an error without the name of the script.
fn shown(reply: &str) -> String {
    let mut lines = reply.split("\r\n");
    let text = value(&mut lines);
    text.split(" script: ").next().unwrap_or_default().to_owned()
}

fn value<'a>(lines: &mut impl Iterator<Item = &'a str>) -> String {
    let line = lines.next().unwrap_or_default();
    match line.as_bytes().first() {
        Some(b'$') if line == "$-1" => "nil".to_owned(),
        Some(b'$') => lines.next().unwrap_or_default().to_owned(),
        Some(b'*') => {
            let length: usize = line[1..].parse().unwrap_or(0);
            let values: Vec<String> = (0..length).map(|_| value(lines)).collect();
            format!("[{}]", values.join(" "))
        }
        _ => line.to_owned(),
    }
}

fn check(cases: &[(&str, &str)]) {
    let mut testbed = Testbed::new();
    for (expression, expected) in cases {
        let head =
            "local function hex(s) return (s:gsub('.', function(c) return string.format('%02x', c:byte()) end)) end";
        let script = match expression.contains("hex(") {
            true => format!("{head} return {expression}"),
            false => format!("return {expression}"),
        };
        assert_eq!(shown(&testbed.run_words(&["EVAL", &script, "0"])), *expected, "{expression}");
    }
}

#[test]
fn cjson_does_as_in_redis() {
    check(json::CASES);
    super::json::reset();
}

#[test]
fn cmsgpack_does_as_in_redis() {
    check(msgpack::CASES);
}

#[test]
fn struct_does_as_in_redis() {
    check(packing::CASES);
}

#[test]
fn bit_does_as_in_redis() {
    check(bits::CASES);
}

fn propagated(testbed: &mut Testbed, script: &str) -> Vec<String> {
    testbed.propagated_words(&["EVAL", script, "0"])
}

#[test]
fn what_the_commands_of_a_script_changed_is_propagated_instead_of_the_script() {
    let mut testbed = Testbed::new();
    let script =
        "redis.call('SET', 'a', 1) redis.call('GET', 'a') redis.call('SETEX', 'b', 5, 'x') redis.call('SPOP', 'none')";
    let lines = propagated(&mut testbed, script);
    assert_eq!(lines[0], "SET a 1");
    assert!(lines[1].starts_with("SET b x PXAT "), "{lines:?}");
    assert_eq!(lines.len(), 2);
    assert!(propagated(&mut testbed, "return redis.call('GET', 'a')").is_empty());
    assert_eq!(propagated(&mut testbed, "redis.call('INCR', 'a') error('late')"), ["INCR a"]);
    let chosen = "redis.set_repl(redis.REPL_NONE) redis.call('INCR', 'a') redis.set_repl(redis.REPL_ALL) redis.call('INCR', 'c')";
    assert_eq!(propagated(&mut testbed, chosen), ["INCR c"]);
}

#[test]
fn functions_are_propagated_as_they_are_loaded() {
    let mut testbed = Testbed::new();
    let library =
        "#!lua name=lib\nredis.register_function('f', function(keys) return redis.call('SET', keys[1], 1) end)";
    assert_eq!(testbed.propagated_words(&["FUNCTION", "LOAD", library]), [format!("FUNCTION LOAD {library}")]);
    assert_eq!(testbed.propagated("FCALL f 1 key"), ["SET key 1"]);
    assert_eq!(testbed.propagated("FUNCTION DELETE lib"), ["FUNCTION DELETE lib"]);
    assert!(testbed.propagated("SCRIPT FLUSH").is_empty());
}

#[test]
fn time_stands_still_in_a_script() {
    let mut testbed = Testbed::new();
    let script = "redis.call('SET', 'key', 1, 'PX', 1) local n = 0 while n < 3e6 do n = n + 1 end return \
                  redis.call('EXISTS', 'key')";
    assert_eq!(testbed.run_words(&["EVAL", script, "0"]), ":1\r\n");
}

#[test]
fn errors_of_a_script_are_counted_once() {
    let mut testbed = Testbed::new();
    let counts = |testbed: &Testbed, name: &[u8]| {
        let id = testbed.server.commands.find_full(name).expect("a command");
        let stats = &testbed.server.commands.entry(id).stats;
        (stats.calls, stats.rejected, stats.failed)
    };
    testbed.run_words(&["EVAL", "return redis.call('LPUSH', 'list')", "0"]);
    assert_eq!((counts(&testbed, b"lpush"), counts(&testbed, b"eval")), ((0, 1, 0), (1, 0, 1)));
    assert_eq!(testbed.server.stats.error_replies, 1);
    testbed.run_words(&["EVAL", "redis.call('SET', 'a', 'x') redis.pcall('INCR', 'a') return 1", "0"]);
    assert_eq!((counts(&testbed, b"incr"), counts(&testbed, b"eval")), ((1, 0, 1), (2, 0, 1)));
    assert_eq!(testbed.server.stats.error_replies, 2);
    testbed.run_words(&["EVAL", "error('mine')", "0"]);
    assert_eq!((testbed.server.stats.error_replies, counts(&testbed, b"eval")), (3, (3, 0, 2)));
}

#[test]
fn scripts_keep_to_what_they_declare() {
    let mut testbed = Testbed::new();
    let mut error = |command: &str, script: &str| {
        let reply = testbed.run_words(&[command, script, "0"]);
        shown(&reply)
    };
    let write = "return redis.call('SET', 'a', 1)";
    assert_eq!(error("EVAL_RO", write), "-ERR Write commands are not allowed from read-only scripts.");
    let declared = format!("#!lua flags=no-writes\n{write}");
    assert_eq!(error("EVAL", &declared), "-ERR Write commands are not allowed from read-only scripts.");
    let writing = format!("#!lua\n{write}");
    assert_eq!(error("EVAL_RO", &writing), "-ERR Can not execute a script with write flag using *_ro command.");
    assert_eq!(error("EVAL", &writing), "+OK");
    assert_eq!(
        error("EVAL", "return redis.call('SUBSCRIBE', 'x')"),
        "-ERR This Redis command is not allowed from script"
    );
}

#[test]
fn random_numbers_are_those_of_redis() {
    let mut testbed = Testbed::new();
    let script = "math.randomseed(42) return {math.random(1000000), math.random(1000000), math.random(5, 10)}";
    let first = testbed.run_words(&["EVAL", script, "0"]);
    assert_eq!(testbed.run_words(&["EVAL", script, "0"]), first);
    assert_eq!(shown(&first), "[:744526 :342702 :5]");
    // Bounds that are no integers become what they do in C.
    for (bounds, expected) in [("-0.5, 1/0", ":0"), ("2^64, 65536", ":48793")] {
        let script = format!("math.randomseed(42) return math.random({bounds})");
        assert_eq!(shown(&testbed.run_words(&["EVAL", &script, "0"])), expected, "{bounds}");
    }
}

#[test]
fn the_table_of_bounds_has_every_function_that_scripts_can_reach() {
    let mut testbed = Testbed::new();
    testbed.server.config.lua_enable_deprecated_api = true;
    let reply = shown(&testbed.run_words(&["EVAL", super::bounds::WALK, "0"]));
    let mut reached: Vec<&str> = reply.trim_matches(['[', ']']).split(' ').collect();
    reached.sort_unstable();
    let listed: Vec<&str> = super::bounds::FUNCTIONS.iter().map(|row| row.name).collect();
    assert_eq!(reached, listed);
}

#[test]
fn what_is_substituted_and_sorted_under_account_is_what_lua_does() {
    // Small calls are left to Lua. A table in the place of a text, and a long text, are not; and so are elements that
    // are neither numbers nor texts.
    check(&[
        ("{('hello world'):gsub('o', {o = '0'})}", "[hell0 w0rld :2]"),
        ("{('abc'):gsub('%w', {a = 1, b = false})}", "[1bc :3]"),
        ("{('abc'):gsub('()b', {[2] = 'x'})}", "[axc :1]"),
        ("{('abc'):gsub('', {[''] = '-'})}", "[-a-b-c- :4]"),
        ("{('abc'):gsub('%w*', {abc = 'x'})}", "[x :2]"),
        ("{('aaa'):gsub('^a', {a = 'b'})}", "[baa :1]"),
        ("{('aaa'):gsub('a', {a = 'b'}, 2)}", "[bba :2]"),
        ("{('aaa'):gsub('a', {a = 'b'}, -1)}", "[aaa :0]"),
        ("{('abc'):gsub('b', string.upper)}", "[aBc :1]"),
        ("{('abc'):gsub('(b)(c)', math.max)}", "-ERR bad argument #1 to '?' (number expected, got string)"),
        ("{('abc'):gsub('b', setmetatable({}, {__index = function(_, key) return key .. key end}))}", "[abbc :1]"),
        ("{('abc'):gsub('b', {b = {}})}", "-ERR user_script:1: invalid replacement value (a table)"),
        ("{('abc'):gsub('(b', {})}", "-ERR user_script:1: unfinished capture"),
        ("{('abc'):gsub('b)', {})}", "-ERR user_script:1: invalid pattern capture"),
        ("#('ab'):rep(2^17):gsub('b', '%0%0')", ":393216"),
        ("(('ab'):rep(2^17):gsub('(a)(b)', '%2%1')):sub(1, 5)", "babab"),
        ("#(('a'):rep(2^12):gsub('a.-', function(a) return a .. 'b' end))", ":8192"),
        ("('ab'):rep(2^17):gsub('b', '%2')", "-ERR user_script:1: invalid capture index"),
        ("{('x'):rep(2^14):find('()y?$')}", "[:16385 :16384 :16385]"),
        ("#('x'):rep(2^14):match('^x(.*)x$')", ":16382"),
        (
            "(function() local n = 0 for a, b in ('xy'):rep(2^10):gmatch('(x)(y?.-)') do n = n + #b end return n end)()",
            ":1024",
        ),
        (
            "(function() local t = {} for i = 1, 3000 do t[i] = i * 7919 % 3001 end table.sort(t) for i = 2, 3000 do if t[i] < t[i - 1] then return 'wrong' end end return t[3000] end)()",
            ":3000",
        ),
        ("(function() local t = {'b', 'a', 'c'} table.sort(t) return table.concat(t) end)()", "abc"),
        ("table.sort({1, 'a'})", "-ERR attempt to compare string with number"),
        ("table.sort({{}, {}})", "-ERR attempt to compare two table values"),
        ("(function() local t = {3, 1, 2} table.sort(t, rawequal) return #t end)()", ":3"),
        ("table.concat({1, 2, 'x'}, ', ')", "1, 2, x"),
        ("table.concat({1, 2, 3}, '-', 2)", "2-3"),
        (
            "table.concat({1, 2, 3}, '-', 2, 9)",
            "-ERR user_script:1: invalid value (nil) at index 4 in table for 'concat'",
        ),
        ("table.concat({}, 1, 2, 1)", ""),
        ("table.concat('x')", "-ERR user_script:1: bad argument #1 to 'concat' (table expected, got string)"),
        ("(function() local s = '' table.foreach({5, 6}, function(k, v) s = s .. k .. v end) return s end)()", "1526"),
        ("table.foreachi({5, 6}, math.max)", ":5"),
        ("{coroutine.resume(coroutine.create(function(a, b) return b, a end), 1, 2)}", "[:1 :2 :1]"),
        ("select(2, coroutine.resume(coroutine.create(function() error('x') end)))", "user_script:1: x"),
        (
            "(function() local c = coroutine.create(function() end) coroutine.resume(c) return select(2, coroutine.resume(c)) end)()",
            "cannot resume dead coroutine",
        ),
        (
            "(function() local c c = coroutine.wrap(function() return c() end) return c() end)()",
            "-ERR user_script:1: user_script:1: cannot resume running coroutine",
        ),
        ("coroutine.resume(1)", "-ERR user_script:1: bad argument #1 to 'resume' (coroutine expected)"),
        (
            "coroutine.wrap(print or 1)",
            "-ERR user_script:1: Script attempted to access nonexistent global variable 'print'",
        ),
        ("coroutine.wrap(type)", "-ERR user_script:1: bad argument #1 to 'wrap' (Lua function expected)"),
        ("{xpcall(function() return 1, 2 end, error)}", "[:1 :1 :2]"),
        ("select(2, xpcall(function() error('x') end, function(e) return e .. '!' end))", "user_script:1: x!"),
        ("select(2, xpcall(function() error('x') end, nil))", "error in error handling"),
        ("xpcall(1)", "-ERR user_script:1: bad argument #2 to 'xpcall' (value expected)"),
        (
            "(function() local function f() return coroutine.wrap(f)() end return select(2, pcall(f)):match('C stack overflow') end)()",
            "C stack overflow",
        ),
        ("collectgarbage('step', 1e6)", ":1"),
        ("collectgarbage()", ":0"),
        ("collectgarbage('x')", "-ERR user_script:1: bad argument #1 to 'collectgarbage' (invalid option 'x')"),
        ("('aBc'):upper() .. ('aBc'):lower() .. ('abc'):reverse()", "ABCabccba"),
    ]);
}
