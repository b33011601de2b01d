//! EVAL, functions, and scripts that run too long, between connections.

mod common;

use std::time::Duration;

use common::{Connection, Reply, Server, wait_until};

const ENDLESS: &str = "while true do end";

fn eval(client: &mut Connection, script: &str) -> Reply {
    client.cmd(&["EVAL", script, "0"])
}

/// A figure of INFO.
fn field(client: &mut Connection, name: &str) -> u64 {
    let text = client.cmd(&["INFO", "memory"]).text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in:\n{text}"))
}

/// A server that says it is busy after few milliseconds, a client whose script runs, and another one that was told.
fn busy_server(command: &[&str]) -> (Server, Connection, Connection) {
    let server = Server::start_with(&["--busy-reply-threshold", "10"]);
    let (mut caller, mut other) = (server.connect(), server.connect());
    if command[0] == "FCALL" {
        let library = "#!lua name=lib\nredis.register_function('endless', function() while true do end end)";
        assert_eq!(caller.cmd(&["FUNCTION", "LOAD", library]), Reply::bulk("lib"));
    }
    caller.send(command);
    wait_until("the server is busy", || matches!(other.cmd(&["PING"]), Reply::Error(text) if text.starts_with("BUSY")));
    (server, caller, other)
}

#[test]
fn commands_that_wait_answer_at_once_in_scripts() {
    let server = Server::start();
    let mut client = server.connect();
    for call in [
        "'BLPOP', 'a', 'b', 0",
        "'BRPOP', 'a', 0",
        "'BLMOVE', 'a', 'b', 'LEFT', 'LEFT', 0",
        "'BRPOPLPUSH', 'a', 'b', 0",
        "'BZPOPMIN', 'a', 0",
        "'BZPOPMAX', 'a', 0",
    ] {
        let reply = client.cmd(&["EVAL", &format!("return redis.call({call})"), "0"]);
        assert!(matches!(reply, Reply::Null | Reply::NullArray), "{call}: {reply:?}");
    }
    client.cmd(&["RPUSH", "a", "x"]);
    assert_eq!(client.cmd(&["EVAL", "return redis.call('BLPOP', 'a', 0)", "0"]), Reply::bulks(&["a", "x"]));
}

#[test]
fn values_go_both_ways() {
    let server = Server::start();
    let mut client = server.connect();
    let values = [
        ("return 3.99", Reply::Integer(3)),
        ("return true", Reply::Integer(1)),
        ("return false", Reply::Null),
        ("return {ok='fine'}", Reply::Simple("fine".into())),
        ("return {1, 'two', nil, 4}", Reply::Array(vec![Reply::Integer(1), Reply::bulk("two")])),
        ("return redis.call('SET', 'key', 0.1)", Reply::ok()),
        ("return redis.call('GET', 'key')", Reply::bulk("0.1")),
        ("return redis.call('GET', 'nothing')", Reply::Null),
        ("return cjson.encode({1, 'a/b', {x = 0.5}})", Reply::bulk(r#"[1,"a\/b",{"x":0.5}]"#)),
        ("return cmsgpack.pack({1, 2, 3})", Reply::bulk([0x93, 1, 2, 3])),
        ("return struct.pack('>I2', 258)", Reply::bulk([1, 2])),
        ("return bit.bxor(5, 3)", Reply::Integer(6)),
    ];
    for (script, expected) in values {
        assert_eq!(eval(&mut client, script), expected, "{script}");
    }
    let both = client.cmd(&["EVAL", "return {KEYS[1], ARGV[2]}", "1", "key", "one", "two"]);
    assert_eq!(both, Reply::bulks(&["key", "two"]));
}

/// As Redis 7.0.15 has them.
#[test]
fn messagepack_takes_the_shortest_form_of_each_value() {
    let server = Server::start();
    let mut client = server.connect();
    for (value, head) in [
        ("127", "7f"),
        ("128", "cc80"),
        ("256", "cd0100"),
        ("65536", "ce00010000"),
        ("2^32", "cf0000000100000000"),
        ("2^63", "ca5f000000"),
        ("-32", "e0"),
        ("-33", "d0df"),
        ("-129", "d1ff7f"),
        ("-32769", "d2ffff7fff"),
        ("-2^31-1", "d3ffffffff7fffffff"),
        ("0.5", "ca3f000000"),
        ("0.1", "cb3fb999999999999a"),
        ("1/0", "ca7f800000"),
        ("('x'):rep(31)", "bf78"),
        ("('x'):rep(32)", "d92078"),
        ("('x'):rep(256)", "da010078"),
        ("('x'):rep(65536)", "db0001000078"),
        ("{}", "90"),
        ("{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}", "dc001001"),
        ("{a = 1}", "81a16101"),
        ("redis.call", "c0"),
        ("false", "c2"),
    ] {
        let script = format!(
            "local text = cmsgpack.pack({value}):sub(1, {}) \
             return (text:gsub('.', function(one) return ('%02x'):format(one:byte()) end))",
            head.len() / 2
        );
        assert_eq!(eval(&mut client, &script), Reply::bulk(head), "{value}");
    }
}

#[test]
fn numbers_as_arguments_are_as_in_replies() {
    let server = Server::start();
    let mut client = server.connect();
    // As Redis 8.2.3 has them.
    for (number, expected) in [
        ("1e17", "100000000000000000"),
        ("-1e18", "-1000000000000000000"),
        ("123456789012345678", "123456789012345680"),
        ("2^62", "4611686018427387904"),
        ("2^63", "9223372036854776000"),
        ("12345678901234567890", "12345678901234567000"),
        ("1e19", "1e+19"),
        ("9.2e18", "9.2e+18"),
        ("0.1", "0.1"),
        ("1/3", "0.3333333333333333"),
        ("4.35", "4.35"),
        ("1e-5", "0.00001"),
        ("-1e-7", "-1e-7"),
        ("0.00001234", "1.234e-5"),
        ("5e-324", "5e-324"),
        ("1.5e300", "1.5e+300"),
        ("-0", "0"),
        ("3.0", "3"),
        ("1/0", "inf"),
        ("-1/0", "-inf"),
        ("-(0/0)", "nan"),
        ("0/0", "-nan"),
    ] {
        let echoed = eval(&mut client, &format!("return redis.call('ECHO', {number})"));
        assert_eq!(echoed, Reply::bulk(expected), "{number}");
    }
}

#[test]
fn errors_name_script_and_line() {
    let server = Server::start();
    let mut client = server.connect();
    let error = eval(&mut client, "\nerror('wrong')").into_error();
    assert!(error.starts_with("ERR user_script:2: wrong script: ") && error.ends_with(", on @user_script:2."));
    let error = eval(&mut client, "return redis.call('INCR', 'a', 'b')").into_error();
    assert!(error.starts_with("ERR Wrong number of args calling Redis command from script script: "), "{error}");
    for (script, line) in [
        ("error('a\\0b')", "ERR user_script:1: a script: "),
        ("return {err = 'A b\\0c'}", "A b"),
        ("return redis.error_reply('A b\\0c')", "A b"),
    ] {
        let error = eval(&mut client, script).into_error();
        assert!(error.starts_with(line) && !error.contains('\0'), "what an error says ends at a NUL: {error}");
    }
    for (script, line) in [
        ("return {err = 'ERR a\\r\\nb\\r\\n'}", "ERR a  b"),
        ("return {err = '\\n'}", ""),
        ("return redis.error_reply('a\\r\\n')", "ERR a"),
        ("return redis.error_reply('-A b\\n \\n')", "A b  "),
    ] {
        assert_eq!(eval(&mut client, script).into_error(), line, "no ends of lines behind an error: {script}");
    }
    let nested = eval(&mut client, "return {{err = 'A b\\r\\n'}, {ok = 'c\\r\\n'}}");
    assert_eq!(nested, Reply::Array(vec![Reply::error("A b"), Reply::Simple("c  ".into())]));
    let error = eval(&mut client, "error({err = 'A b\\r\\n'})").into_error();
    assert!(error.starts_with("A b   script: "), "an error that is raised ends with its place: {error}");
    assert_eq!(eval(&mut client, "return {ok = 'a\\0b'}"), Reply::Simple("a".into()));
    let error = eval(&mut client, "return nothing").into_error();
    assert!(error.contains("Script attempted to access nonexistent global variable 'nothing'"), "{error}");
}

#[test]
fn of_the_system_scripts_see_the_processor_time_alone() {
    let server = Server::start();
    let mut client = server.connect();
    let names =
        eval(&mut client, "local names = {} for name in pairs(os) do names[#names + 1] = name end return names");
    assert_eq!(names, Reply::bulks(&["clock"]));
    let spent = "local before = os.clock() for _ = 1, 3e6 do end return {os.clock() > before, os.clock() < 600}";
    assert_eq!(eval(&mut client, spent), Reply::Array(vec![Reply::Integer(1), Reply::Integer(1)]));
    eval(&mut client, "os.clock = nil").into_error();
}

/// The forms of attacks that were published against scripts in Redis: each ends in an error or a harmless answer, and
/// the server goes on.
#[test]
fn published_attacks_come_to_nothing() {
    let server = Server::start();
    let mut client = server.connect();
    let equals = "=".repeat(100_000);
    let refused = [
        // CVE-2022-24735, CVE-2025-46818: changing what later scripts, run by others, will use.
        "getmetatable('').__index = function() return redis.call end",
        "getmetatable(1).__index = redis",
        "getmetatable(_G).__index = redis",
        "string.len = redis.call",
        "cjson.encode = redis.call",
        // CVE-2022-24736: a script that cannot be loaded is run all the same.
        "loadstring('return return')()",
        // CVE-2025-46817: ranges that end where integers do.
        "return unpack({}, 0, 2147483647)",
        "return unpack({}, 2147483647 - 8000, 2147483647)",
        // CVE-2025-46819: the bracket of a long string that never closes.
        "return [",
        "return [=",
        &format!("return [{equals}"),
        &format!("return [{equals}[ x ]=]"),
    ];
    for script in refused {
        eval(&mut client, script).into_error();
    }
    // CVE-2024-31449: the least integer has no opposite.
    assert_eq!(eval(&mut client, "return bit.tohex(1, -2147483648)"), Reply::bulk("00000001"));
    // CVE-2022-24834: lengths that do not fit the type they are counted in.
    assert_eq!(eval(&mut client, "return #cjson.encode(('\\0'):rep(3e6))"), Reply::Integer(18_000_002));
    assert_eq!(
        eval(&mut client, "return #cmsgpack.pack(('x'):rep(2^24), ('x'):rep(2^24))"),
        Reply::Integer(2 * (5 + (1 << 24)))
    );
    // CVE-2025-49844: the name of a piece of code is collected while the code is read.
    let collected = "for i = 1, 30 do local f = loadstring('local t = {' .. ('{1},'):rep(500) .. '} return ' .. i, '=name' .. i) \
                     collectgarbage() if f() ~= i then return redis.error_reply('wrong') end end return 'fine'";
    assert_eq!(eval(&mut client, collected), Reply::bulk("fine"));
    // CVE-2024-46981: garbage that is collected while the interpreter goes.
    let garbage = "local t = setmetatable({}, {__gc = function() redis.call('set', 'x', 1) end}) return 1";
    for _ in 0..3 {
        assert_eq!(eval(&mut client, garbage), Reply::Integer(1));
        assert_eq!(client.cmd(&["SCRIPT", "FLUSH"]), Reply::ok());
    }
    assert_eq!(client.cmd(&["GET", "x"]), Reply::Null);
    assert_eq!(eval(&mut client, "return ('x'):upper()"), Reply::bulk("X"));
}

#[test]
fn the_room_is_closed() {
    let server = Server::start();
    let mut client = server.connect();
    let attempts = [
        "redis.call = nil",
        "string.format = nil",
        "_G.print = 1",
        "rawset(_G, 'x', 1)",
        "rawset(redis, 'call', 1)",
        "table.insert(redis, 1)",
        "setmetatable(_G, nil)",
        "getmetatable('').__index = nil",
        "getmetatable(_G).__index = nil",
        "getmetatable(_G).__newindex = nil",
        "for k, v in pairs(redis) do redis[k] = nil end",
        "local f, t = pairs(redis) t.call = nil",
        "os.execute('true')",
        "io.open('/etc/passwd')",
        "require('os')",
        "dofile('x')",
        "debug.getinfo(1)",
        "return loadstring('\\27Lua' .. ('x'):rep(100))()",
        "return load(coroutine.wrap(function() coroutine.yield('\\27Lua') end))()",
        "return loadstring(string.dump(function() end))()",
        "getfenv(0).x = 1",
        "newproxy(true)",
    ];
    for script in attempts {
        eval(&mut client, script).into_error();
    }
    assert_eq!(eval(&mut client, "return redis.call('PING')"), Reply::Simple("PONG".into()));
    assert_eq!(eval(&mut client, "return ('x'):rep(2) .. string.format('%d', 3)"), Reply::bulk("xx3"));
}

#[test]
fn what_a_script_asks_too_much_of_is_an_error() {
    let server = Server::start_with(&["--maxmemory", "256mb"]);
    let mut client = server.connect();
    let failing = [
        "local function f() return 1 + f() end return f()",
        "return string.rep('x', 2^31 - 1)",
        "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end",
        "return unpack({}, 1, 1e7)",
        "return unpack({}, 0, 2^31 - 1)",
        "return unpack({}, -2^31, 2^31 - 1)",
        "return unpack({}, 2^31 - 9000, 2^31 - 1)",
        "return table.insert({}, -2^31, 1)",
        "return ('x'):rep(1e6):find(('.?'):rep(1e5))",
        "return loadstring(('('):rep(1e5) .. '1' .. (')'):rep(1e5))()",
        "return cjson.decode(('['):rep(1e6))",
        "cjson.decode_max_depth(1e9) return cjson.decode(('['):rep(1e6))",
        "cjson.encode_max_depth(1e9) local t = {} t[1] = t return cjson.encode(t)",
        "return cmsgpack.unpack(('\\145'):rep(1e6))",
        "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
        "return struct.unpack('c2147483647', 'x')",
        "return struct.pack('i99999999999', 1)",
        "return redis.call(unpack({}, 1, 9000))",
    ];
    for script in failing {
        let reply = eval(&mut client, script);
        assert!(matches!(reply, Reply::Error(_)), "{script}: {reply:?}");
    }
    assert_eq!(eval(&mut client, "return #('x'):rep(2^26)"), Reply::Integer(1 << 26), "what fits is made");
    client.send(&["EVAL", "local t = {} t[1] = t return t", "0"]);
    let mut opened = 0;
    while client.byte() == b'*' {
        opened += 1;
        assert_eq!([client.byte(), client.byte(), client.byte()], *b"1\r\n");
    }
    assert!(opened > 1000);
    let mut other = server.connect();
    assert_eq!(other.cmd(&["PING"]), Reply::Simple("PONG".into()));
    for (name, most) in [("used_memory_vm_eval", 64 << 20), ("used_memory", 80 << 20)] {
        let used = field(&mut other, name);
        assert!(used < most, "the memory is given back: {name} is {used}");
    }
}

#[test]
fn what_is_small_but_long_when_it_is_written_down_is_an_error() {
    let server = Server::start_with(&["--maxmemory", "24mb"]);
    let mut client = server.connect();
    let failing = [
        "cjson.encode_sparse_array(true, 0, 0) return cjson.encode({[2^31 - 1] = 1})",
        "return cjson.encode(('\\0'):rep(5e6))",
        "local t = ('x'):rep(1e4) for _ = 1, 64 do t = {t, t} end return cjson.encode(t)",
        "local t = ('x'):rep(1e4) for _ = 1, 15 do local u = {} for i = 1, 1000 do u[i] = t end t = u end return cmsgpack.pack(t)",
        "local t = ('x'):rep(1e4) for _ = 1, 64 do t = {t, t} end return t",
        "local t = ('x'):rep(1e4) for _ = 1, 64 do t = {map = {[t] = t}} end return t",
        "return ('x'):rep(2e7)",
        "return ('x'):rep(2^31 - 1)",
    ];
    for script in failing {
        let error = eval(&mut client, script).into_error();
        assert!(error.contains("not enough memory"), "{script}: {error}");
    }
    assert_eq!(eval(&mut client, "return #('x'):rep(5e6)"), Reply::Integer(5_000_000), "what fits is made");
    assert_eq!(eval(&mut client, "return #cjson.encode(('\\0'):rep(1e6))"), Reply::Integer(6_000_002));
    let used = field(&mut client, "used_memory");
    assert!(used < 20 << 20, "the memory is given back: {used}");
}

#[test]
fn the_memory_of_scripts_that_are_flushed_is_given_back() {
    let server = Server::start();
    let mut client = server.connect();
    let names = ["used_memory_scripts", "used_memory_vm_total", "used_memory"];
    let before = names.map(|name| field(&mut client, name));
    for number in 0..200 {
        let code = format!("local t = {{{}}} return {number}", "1, ".repeat(2000));
        assert_eq!(client.cmd(&["SCRIPT", "LOAD", &code]).text().len(), 40);
        let library = format!("#!lua name=l{number}\nredis.register_function('f{number}', function() {code} end)");
        assert_eq!(client.cmd(&["FUNCTION", "LOAD", &library]), Reply::bulk(format!("l{number}")));
    }
    assert!(field(&mut client, names[0]) > before[0] + 200 * 12_000);
    assert_eq!(client.cmd(&["SCRIPT", "FLUSH", "SYNC"]), Reply::ok());
    assert_eq!(client.cmd(&["FUNCTION", "FLUSH", "SYNC"]), Reply::ok());
    for (name, before) in names.into_iter().zip(before) {
        let after = field(&mut client, name);
        assert!(after < before + 400_000, "{name}: {before} before, {after} after");
    }
}

#[test]
fn ranges_at_the_end_of_the_integers_end_there() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(eval(&mut client, "return select('#', unpack({}, 2^31 - 4, 2^31 - 1))"), Reply::Integer(4));
    assert_eq!(eval(&mut client, "return select('#', unpack({}, -2^31, -2^31 + 2))"), Reply::Integer(3));
    assert_eq!(eval(&mut client, "return #(''):rep(2^31 - 1)"), Reply::Integer(0));
    let error = eval(&mut client, "return unpack('x')").into_error();
    assert!(error.contains("bad argument #1 to 'unpack' (table expected, got string)"), "{error}");
}

#[test]
fn a_script_is_one_transaction_for_those_who_watch() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    client.cmd(&["WATCH", "key"]);
    assert_eq!(eval(&mut other, "return redis.call('SET', 'key', 1)"), Reply::ok());
    client.cmd(&["MULTI"]);
    client.cmd(&["PING"]);
    assert_eq!(client.cmd(&["EXEC"]), Reply::NullArray);
    eval(&mut other, "redis.call('SELECT', 5) redis.call('SET', 'five', 1)");
    assert_eq!(other.cmd(&["GET", "five"]), Reply::Null, "the caller stays in its database");
    other.cmd(&["SELECT", "5"]);
    assert_eq!(other.cmd(&["GET", "five"]), Reply::bulk("1"));
}

#[test]
fn blocked_clients_are_served_when_the_script_is_done() {
    let server = Server::start();
    let (mut client, mut waiting) = (server.connect(), server.connect());
    waiting.send(&["BLPOP", "list", "0"]);
    wait_until("it waits", || client.cmd(&["INFO", "clients"]).text().contains("blocked_clients:1"));
    let taken = eval(&mut client, "redis.call('RPUSH', 'list', 'a', 'b') return redis.call('LPOP', 'list')");
    assert_eq!(taken, Reply::bulk("a"));
    assert_eq!(waiting.read(), Reply::bulks(&["list", "b"]));
}

#[test]
fn a_busy_server_lets_others_end_a_script_that_wrote_nothing() {
    let (server, mut caller, mut other) = busy_server(&["EVAL", ENDLESS, "0"]);
    assert!(other.cmd(&["FUNCTION", "KILL"]).into_error().starts_with("BUSY"));
    assert!(other.cmd(&["SHUTDOWN"]).into_error().starts_with("BUSY"));
    let mut late = server.connect();
    assert!(late.cmd(&["GET", "key"]).into_error().starts_with("BUSY"), "who comes now is told, too");
    late.raw(b"*2\r\n$3\r\nGET\r\n$3\r");
    assert_eq!(other.cmd(&["SCRIPT", "KILL"]), Reply::ok());
    assert!(caller.read().into_error().contains("Script killed by user with SCRIPT KILL"));
    late.raw(b"\nkey\r\n");
    assert_eq!(late.read(), Reply::Null);
    assert_eq!(other.cmd(&["PING"]), Reply::Simple("PONG".into()));
    assert!(other.cmd(&["SCRIPT", "KILL"]).into_error().starts_with("NOTBUSY"));
}

#[test]
fn a_script_cannot_catch_its_end() {
    let script = "local function f() while true do redis.call('PING') end end while true do pcall(f) end";
    let (_server, mut caller, mut other) = busy_server(&["EVAL", script, "0"]);
    assert_eq!(other.cmd(&["SCRIPT", "KILL"]), Reply::ok());
    caller.read().into_error();
    assert_eq!(other.cmd(&["PING"]), Reply::Simple("PONG".into()));
}

#[test]
fn nothing_that_catches_errors_catches_the_end_of_a_script() {
    let scripts = [
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "while true do coroutine.wrap(function() pcall(coroutine.wrap(function() while true do end end)) end)() end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "xpcall(error, function() while true do end end) while true do end",
        "xpcall(error, function() pcall(function() while true do end end) while true do end end)",
        "while true do pcall(string.gsub, ('x'):rep(1e6), 'x', function() while true do end end) end",
        "while true do pcall(string.gsub, ('x'):rep(1e6), '.', {}) end",
        "while true do pcall(table.sort, {3, 2, 1}, function() while true do end end) end",
        "while true do load(function() while true do end end) end",
        "while true do pcall(load, collectgarbage) end",
        "while true do pcall(load, function() return ' ' end) end",
        "while true do pcall(cjson.encode, setmetatable({}, {__index = function() while true do end end})) end",
        "local t = setmetatable({}, {__index = function() while true do end end}) while true do pcall(rawget, t, t[1]) end",
    ];
    for script in scripts {
        let (_server, mut caller, mut other) = busy_server(&["EVAL", script, "0"]);
        assert_eq!(other.cmd(&["SCRIPT", "KILL"]), Reply::ok());
        let told = caller.read().into_error();
        assert!(told.starts_with("ERR Script killed by user with SCRIPT KILL..."), "{script}: {told}");
        assert_eq!(eval(&mut caller, "return 1"), Reply::Integer(1), "{script}");
    }
}

#[test]
fn what_promises_much_or_never_ends_takes_no_memory() {
    let server = Server::start_with(&["--maxmemory", "64mb"]);
    let mut client = server.connect();
    let many = "local x, t = ('x'):rep(2^20), {} for i = 1, 7000 do t[i] = x end";
    let joined = |call: &str| (format!("{many} return {call}"), "not enough memory");
    let failing = [
        ("return load(function() return ('x'):rep(1e5) end)".to_owned(), "not enough memory"),
        ("return table.insert({}, 2^31, 1)".to_owned(), "position out of bounds"),
        ("return table.insert({}, 2^31 + 5, 1)".to_owned(), "position out of bounds"),
        ("local t = {} t[1] = t t[2] = t return t".to_owned(), "not enough memory"),
        ("local t = {} for i = 1, 40 do t = {t, t} end return t".to_owned(), "not enough memory"),
        ("local t = {} t.map = {[t] = t} return t".to_owned(), "not enough memory"),
        (
            "return cmsgpack.unpack(('\\221\\127\\255\\255\\255'):rep(1900) .. ('\\0'):rep(2^20))".to_owned(),
            "Missing bytes",
        ),
        joined("redis.call('ECHO', unpack(t))"),
        joined("struct.pack(('s'):rep(7000), unpack(t))"),
        joined("cmsgpack.pack(unpack(t))"),
        joined("cjson.encode(t)"),
        joined("table.concat(t)"),
        joined("string.format(('%s'):rep(7000), unpack(t))"),
        joined("x:gsub('x', x)"),
    ];
    for (script, reason) in failing {
        let error = eval(&mut client, &script).into_error();
        assert!(error.contains(reason), "{script}: {error}");
    }
    let peak = field(&mut client, "used_memory_peak");
    assert!(peak < 400 << 20, "{peak}");
    assert_eq!(
        eval(
            &mut client,
            "return load(coroutine.wrap(function() coroutine.yield('return ') coroutine.yield('7') end))()"
        ),
        Reply::Integer(7)
    );
}

#[test]
fn patterns_that_never_come_to_an_end_are_ended() {
    let calls = [
        "('a'):rep(40):find(('a?'):rep(40) .. ('a'):rep(41))",
        "('a'):rep(40):match(('a*'):rep(40) .. 'b')",
        "('x'):rep(1e6):gsub('x-y', '')",
        "('('):rep(1e6):gmatch('%b()')()",
    ];
    for call in calls {
        let script = format!("return {call}");
        let (_server, mut caller, mut other) = busy_server(&["EVAL", &script, "0"]);
        assert_eq!(other.cmd(&["SCRIPT", "KILL"]), Reply::ok());
        let told = caller.read().into_error();
        assert!(told.contains("Script killed by user with SCRIPT KILL"), "{call}: {told}");
        assert_eq!(eval(&mut caller, "return ('key:1000'):match(':(%d+)$')"), Reply::bulk("1000"));
    }
}

#[test]
fn a_library_that_is_not_loaded_in_time_is_an_error() {
    let server = Server::start();
    let mut client = server.connect();
    for code in [ENDLESS, "local s = ('a'):rep(40):find(('a?'):rep(40) .. ('a'):rep(41))"] {
        let error = client.cmd(&["FUNCTION", "LOAD", &format!("#!lua name=late\n{code}")]).into_error();
        assert!(error.contains("FUNCTION LOAD timeout"), "{code}: {error}");
    }
    assert_eq!(client.cmd(&["FUNCTION", "LIST"]), Reply::Array(Vec::new()));
}

#[test]
fn functions_are_ended_by_their_own_command() {
    let (_server, mut caller, mut other) = busy_server(&["FCALL", "endless", "0"]);
    assert!(other.cmd(&["SCRIPT", "KILL"]).into_error().starts_with("BUSY"));
    let Reply::Array(stats) = other.cmd(&["FUNCTION", "STATS"]) else { panic!("a list") };
    let Reply::Array(running) = &stats[1] else { panic!("what runs") };
    assert_eq!(running[1], Reply::bulk("endless"));
    assert_eq!(running[3], Reply::bulks(&["FCALL", "endless", "0"]));
    assert_eq!(other.cmd(&["FUNCTION", "KILL"]), Reply::ok());
    caller.read().into_error();
}

#[test]
fn a_script_that_wrote_ends_only_with_the_server() {
    let script = "redis.call('SET', 'key', 1) while true do end";
    let (mut server, _caller, mut other) = busy_server(&["EVAL", script, "0"]);
    assert!(other.cmd(&["SCRIPT", "KILL"]).into_error().starts_with("UNKILLABLE"));
    other.send(&["SHUTDOWN", "NOSAVE"]);
    assert!(server.exit_within(Duration::from_secs(10)).is_some_and(|status| status.success()));
}

#[test]
fn functions_survive_a_reload_and_a_dump() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    let library = "#!lua name=lib\nlocal calls = 0\nredis.register_function('count', function() calls = calls + 1 return \
                   calls end)";
    assert_eq!(client.cmd(&["FUNCTION", "LOAD", library]), Reply::bulk("lib"));
    assert_eq!(client.cmd(&["FCALL", "count", "0"]), Reply::Integer(1));
    assert_eq!(client.cmd(&["FCALL", "Count", "0"]), Reply::Integer(2));
    assert_eq!(client.cmd(&["DEBUG", "RELOAD"]), Reply::ok());
    assert_eq!(client.cmd(&["FCALL", "count", "0"]), Reply::Integer(1));
    let Reply::Bulk(payload) = client.cmd(&["FUNCTION", "DUMP"]) else { panic!("a payload") };
    assert_eq!(client.cmd(&["FUNCTION", "FLUSH"]), Reply::ok());
    assert_eq!(client.cmd(&[&b"FUNCTION"[..], b"RESTORE", &payload]), Reply::ok());
    assert_eq!(client.cmd(&["FCALL", "count", "0"]), Reply::Integer(1));
    let taken = client.cmd(&[&b"FUNCTION"[..], b"RESTORE", &payload]).into_error();
    assert_eq!(taken, "ERR Library lib already exists");
    assert_eq!(client.cmd(&[&b"FUNCTION"[..], b"RESTORE", &payload, b"REPLACE"]), Reply::ok());
}

#[test]
fn monitors_see_a_script_before_its_commands() {
    let server = Server::start();
    let (mut client, mut monitor) = (server.connect(), server.connect());
    assert_eq!(monitor.cmd(&["MONITOR"]), Reply::ok());
    eval(&mut client, "redis.call('SET', 'key', 1)");
    assert!(monitor.read().text().contains("\"EVAL\""));
    let line = monitor.read().text();
    assert!(line.contains("[0 lua] \"SET\" \"key\" \"1\""), "{line}");
}

#[test]
fn commands_that_wait_do_not_wait_in_scripts() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["XGROUP", "CREATE", "stream", "g", "$", "MKSTREAM"]);
    let nulls = [
        "'BLPOP', 'none', 0",
        "'BRPOP', 'none', 0",
        "'BLMOVE', 'none', 'to', 'LEFT', 'LEFT', 0",
        "'BRPOPLPUSH', 'none', 'to', 0",
        "'BLMPOP', 0, 1, 'none', 'LEFT'",
        "'BZPOPMIN', 'none', 0",
        "'BZPOPMAX', 'none', 0",
        "'BZMPOP', 0, 1, 'none', 'MIN'",
        "'XREAD', 'BLOCK', 0, 'STREAMS', 'none', '$'",
        "'XREADGROUP', 'GROUP', 'g', 'c', 'BLOCK', 0, 'STREAMS', 'stream', '>'",
    ];
    for call in nulls {
        let script = format!("return redis.call({call}) == false");
        assert_eq!(client.cmd(&["EVAL", &script, "0"]), Reply::Integer(1), "{call}");
    }
    assert_eq!(client.cmd(&["EVAL", "return redis.call('WAIT', 1, 0)", "0"]), Reply::Integer(0));
    let both = Reply::Array(vec![Reply::Integer(0), Reply::Integer(0)]);
    assert_eq!(client.cmd(&["EVAL", "return redis.call('WAITAOF', 0, 1, 0)", "0"]), both);
}

#[test]
fn time_stands_still_in_scripts_and_transactions() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    let script = "local first = redis.call('TIME') for i = 1, 2000000 do end local last = redis.call('TIME') \
                  return first[1] == last[1] and first[2] == last[2]";
    let first = client.cmd(&["TIME"]);
    assert_eq!(client.cmd(&["EVAL", script, "0"]), Reply::Integer(1));
    for command in
        [&["MULTI"][..], &["TIME"], &["DEBUG", "SLEEP", "0.01"], &["TIME"], &["EVAL", script, "0"], &["TIME"]]
    {
        client.cmd(command);
    }
    let Reply::Array(replies) = client.cmd(&["EXEC"]) else { panic!("no array") };
    assert_eq!(replies[0], replies[2]);
    assert_eq!(replies[0], replies[4]);
    assert_ne!(client.cmd(&["TIME"]), replies[0]);
    assert_ne!(first, replies[0]);
}
