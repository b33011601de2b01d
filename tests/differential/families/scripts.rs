//! Scripts in Lua: the libraries they have, values on their way to and from commands, errors; and functions.
//!
//! A script is an expression drawn by chance, shown type by type, or returned as it is, or a few commands called one
//! after the other. What differs by nature is not drawn: addresses, times, chance.

use super::Kinds;
use crate::differential::check::Check;
use crate::differential::draw::Draw;
use crate::differential::generate::{Row, made, row};
use crate::differential::unit::Cmd;

/// The commands.
pub const ROWS: &[Row] = &[
    made("eval", 60, |draw| vec![call(draw, "EVAL")]),
    made("eval_ro", 6, |draw| vec![call(draw, "EVAL_RO")]),
    made("evalsha", 6, |draw| by_digest(draw, "EVALSHA")),
    made("evalsha_ro", 3, |draw| by_digest(draw, "EVALSHA_RO")),
    row("eval", 2, "<script> <numkeys-edge> <key> <value>"),
    row("script|load", 2, "<script>"),
    row("script|exists", 2, "<digest>+"),
    // Not in the background, as without a word: Redis 8.2 crashes sometimes when it looks at the memory of what is freed.
    row("script|flush", 1, "(SYNC|sync|abc)").whole(),
    row("script|kill", 1, "").whole(),
    row("script|help", 1, "").check(Check::Kind),
    row("function|load", 6, "{REPLACE} <library>").whole(),
    row("function|delete", 2, "(one|two|three|none)"),
    row("function|flush", 1, "(SYNC|sync|abc)").whole(),
    row("function|dump", 1, "").check(Check::Kind).whole(),
    row("function|restore", 1, "<value> {FLUSH|APPEND|REPLACE|abc}"),
    row("function|list", 3, "{LIBRARYNAME <library-pattern>; WITHCODE}").check(Check::Unordered),
    row("function|stats", 1, "").whole(),
    row("function|kill", 1, "").whole(),
    row("function|help", 1, "").check(Check::Kind),
    row("fcall", 8, "<function> 1 <key> <value>"),
    row("fcall_ro", 4, "<function> 1 <key> <value>"),
];

/// By name.
pub const KINDS: Kinds = &[
    ("script", |d, w| w.push(script(d).into())),
    ("digest", |d, w| w.push(d.pick(DIGESTS).into())),
    ("numkeys-edge", |d, w| w.push(d.pick(&["1", "2", "3", "-1", "0", "abc", "1.5", "9223372036854775808"]).into())),
    ("library", |d, w| w.push(d.pick(LIBRARIES).into())),
    ("library-pattern", |d, w| w.push(d.pick(&["one", "*", "t*", "ONE", "[", ""]).into())),
    ("function", |d, w| w.push(d.pick(&["get", "put", "PUT", "ro", "boom", "both", "none", ""]).into())),
];

/// Of `return 1`, in both cases, of nothing, and what is none.
const DIGESTS: &[&str] = &[
    "e0e1f9fabfc9d4800c877a703b823ac0578ff8db",
    "E0E1F9FABFC9D4800C877A703B823AC0578FF8DB",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "abc",
];

const LIBRARIES: &[&str] = &[
    "#!lua name=one\nredis.register_function('get', function(keys) return redis.call('GET', keys[1]) end)",
    "#!lua name=one\nredis.register_function('put', function(keys, args) return redis.call('SET', keys[1], args[1]) end)",
    "#!lua name=two\nredis.register_function{function_name='ro', callback=function(keys) return redis.call('TYPE', keys[1]) \
     end, flags={'no-writes'}, description='what it is'}",
    "#!lua name=two\nredis.register_function{function_name='put', callback=function() return 1 end, flags={'no-writes'}}",
    "#!lua name=three\nredis.register_function('boom', function(keys, args) error(args[1]) end)",
    "#!lua name=three\nredis.register_function('both', function(keys, args) return {keys, args, redis.pcall('INCR', keys[1])} \
     end)",
    "#!lua name=three\nreturn 1",
    "#!lua name=three\nredis.register_function('a b', function() end)",
    "#!lua name=three\nredis.call('GET', 'x')",
    "#!lua name=three\nx = 1",
    "#!lua name=three\nerror('no')",
    "#!lua name=three\nerror({err='no'})",
    "#!lua name=three\nthis is not Lua",
    "#!lua name=three x=y\nreturn 1",
    "#!lua name=a-b\nreturn 1",
    "#!lua\nreturn 1",
    "#!js name=three\nreturn 1",
    "#!lua name=three",
    "return 1",
    "",
];

fn call(draw: &mut Draw, name: &str) -> Cmd {
    let mut words = vec![name.as_bytes().to_vec(), script(draw).into_bytes()];
    arguments(draw, &mut words);
    Cmd::new(&words, Check::Exact)
}

/// Two keys and two values.
fn arguments(draw: &mut Draw, words: &mut Vec<Vec<u8>>) {
    words.extend([b"2".to_vec(), draw.any_key(), draw.any_key(), draw.value(), draw.member()]);
}

fn by_digest(draw: &mut Draw, name: &str) -> Vec<Cmd> {
    let digest = draw.pick(DIGESTS);
    let mut words = vec![name.as_bytes().to_vec(), digest.into()];
    arguments(draw, &mut words);
    let loaded = draw.chance(50).then(|| Cmd::exact(&["SCRIPT", "LOAD", "return 1"]));
    loaded.into_iter().chain([Cmd::new(&words, Check::Exact)]).collect()
}

/// Shows a value with its type. Functions and the like would show their addresses.
const SHOW: &str = "local function show(v, depth) local t = type(v) \
    if t == 'number' then return string.format('%.17g', v) elseif t == 'string' then return '\"' .. v .. '\"' \
    elseif t == 'boolean' then return tostring(v) elseif t ~= 'table' or depth > 5 then return t end \
    local parts = {} for k, w in pairs(v) do parts[#parts + 1] = show(k, depth + 1) .. '=' .. show(w, depth + 1) end \
    return '{' .. table.concat(parts, ',') .. '}' end \
    local function pack(...) return select('#', ...), {...} end ";

fn script(draw: &mut Draw) -> String {
    match draw.below(100) {
        0..55 => {
            let expression = expression(draw);
            format!(
                "{SHOW}local n, r = pack(pcall(function() return {expression} end)) local shown = {{}} \
                 for i = 1, n do shown[i] = show(r[i], 0) end return shown"
            )
        }
        55..65 => format!("return {}", expression(draw)),
        65..72 => format!("return {}", value(draw, 0)),
        72..95 => commands(draw),
        _ => draw.pick(STRANGE).into(),
    }
}

/// What is no expression, or meant to go wrong.
const STRANGE: &[&str] = &[
    "return 1",
    "",
    "return",
    "this is not Lua",
    "\u{1b}Lua",
    "error('text')",
    "error({err='MINE text'})",
    "error({err='text', ok='x'})",
    "error()",
    "error('text', 0)",
    "error('text', 2)",
    "error(12)",
    "error(true)",
    "return x",
    "x = 1",
    "\n\nx.y = 1",
    "return redis.call()",
    "return redis.pcall()",
    "return redis.call({})",
    "return redis.call('GET', nil)",
    "return redis.call('GET', true)",
    "return redis.call('NOSUCH', 1)",
    "return redis.call('GET')",
    "return redis.call('SUBSCRIBE', 'x')",
    "return redis.call('MULTI')",
    "return redis.call('EVAL', 'return 1', 0)",
    "return redis.nosuch",
    "redis.call = 1",
    "_G.x = 1",
    "rawset(_G, 'x', 1)",
    "setmetatable(_G, {})",
    "string.x = 1",
    "getmetatable('').x = 1",
    "return KEYS[3]",
    "KEYS = 1 return KEYS",
    "ARGV = {1} return ARGV",
    "KEYS[1] = 'x' return KEYS",
    "local t = setmetatable({}, {__index = function() error('index') end}) return t",
    "local function f() return f() end return type(f)",
    "return type(io)",
    "return loadstring('return 1 +')",
    "return loadstring('return ...')(7)",
    "return {pcall(loadstring('return x'))}",
    "return {loadstring('\\27Lua')}",
    "return {xpcall(function() error('a') end, function(e) return 'handled ' .. e end)}",
    "return {pcall(error)}",
    "return {pcall(redis.call, 'INCR')}",
    "return {pcall(redis.call, 'LPUSH', KEYS[1], 1)[2]}",
    "return redis.setresp(4)",
    "redis.setresp(3) return true",
    "redis.setresp(3) return false",
    "redis.setresp(3) return redis.call('GET', 'never')",
    "redis.setresp(3) return redis.call('HGETALL', 'never')",
    "redis.setresp(3) redis.setresp(2) return false",
    "redis.setresp(3) return {double=1.5}",
    "return {double=3.25}",
    "return {map={a=1}}",
    "return {set={a=true}}",
    "return {big_number='123'}",
    "return {big_number='1\\r\\n3'}",
    "return {verbatim_string={format='txt', string='abc'}}",
    "return {verbatim_string={format='txt'}}",
    "return {ok='x', err='y'}",
    "return {ok='a\\r\\nb'}",
    "return {err='a\\r\\nb'}",
    "return {err='NOCODE'}",
    "return {err='-CODE text'}",
    "return {err=1}",
    "return {1, 2, nil, 4}",
    "return {[2]=1}",
    "return {{}, {{}}, {1, {2, {3}}}}",
    "return coroutine.wrap(function() coroutine.yield(1) end)()",
    "return math.huge",
    "return -math.huge",
    "return 0/0",
    "#!lua\nreturn 1",
    "#!lua flags=no-writes\nreturn redis.call('SET', KEYS[1], 1)",
    "#!lua flags=no-writes,allow-oom\nreturn redis.call('TYPE', KEYS[1])",
    "#!lua flags=nosuch\nreturn 1",
    "#!lua name=x\nreturn 1",
    "#!js\nreturn 1",
    "#!lua",
    "redis.breakpoint() return 1",
    "return redis.replicate_commands()",
    "return redis.set_repl(redis.REPL_ALL)",
    "return redis.set_repl(99)",
    "return redis.acl_check_cmd('SET', 'x', 1)",
    "return redis.acl_check_cmd('NOSUCH')",
    "return redis.acl_check_cmd()",
    "return type(redis.REDIS_VERSION_NUM)",
    "return redis.LOG_WARNING",
    "return redis.log()",
    "return redis.log(9, 'x')",
    "return redis.sha1hex()",
    "return _VERSION",
    "return tostring(cjson.null)",
    "return cjson._NAME",
    "return {cjson.encode_keep_buffer()}",
    "return {cjson.encode_max_depth(), cjson.decode_max_depth(), cjson.encode_number_precision()}",
    "return {cmsgpack._VERSION, cmsgpack._NAME}",
];

/// Commands, one after the other; the replies are returned, or shown.
fn commands(draw: &mut Draw) -> String {
    let mut script = String::from("local r = {} ");
    if draw.chance(15) {
        script += "redis.setresp(3) ";
    }
    for place in 1..=1 + draw.below(4) {
        let call = draw.pick(&["redis.pcall", "redis.pcall", "redis.pcall", "redis.call"]);
        script += &format!("r[{place}] = {call}({}) ", command(draw));
    }
    match draw.below(3) {
        0 => script + "return r",
        1 => script + "return r[1]",
        _ => format!("{SHOW}{script}return show(r, 0)"),
    }
}

fn command(draw: &mut Draw) -> String {
    let key = draw.pick(&["KEYS[1]", "KEYS[2]", "KEYS[1]", "'s1'", "'l1'", "'h1'", "'z1'", "'b1'"]);
    let word = draw.pick(&["ARGV[1]", "ARGV[2]", "'a'", "1", "-2", "0.5", "1e20", "'x\\0y'", "12345678901234567"]);
    let line = draw.pick(&[
        "'GET', K",
        "'SET', K, W",
        "'SET', K, W, 'NX', 'GET'",
        "'APPEND', K, W",
        "'INCRBY', K, W",
        "'INCRBYFLOAT', K, W",
        "'STRLEN', K",
        "'GETRANGE', K, W, -1",
        "'MGET', K, 's1', 'never'",
        "'DEL', K",
        "'EXISTS', K, 's1'",
        "'TYPE', K",
        "'OBJECT', 'NOSUCH', K",
        "'RPUSH', K, W, 'b'",
        "'LPOP', K",
        "'LRANGE', K, 0, W",
        "'LLEN', K",
        "'BLPOP', K, 0",
        "'SADD', K, W",
        "'SISMEMBER', K, W",
        "'SCARD', K",
        "'HSET', K, W, 'v'",
        "'HGET', K, W",
        "'HLEN', K",
        "'ZADD', K, 1, W",
        "'ZRANK', K, W",
        "'ZCARD', K",
        "'ZRANGE', K, 0, -1",
        "'XADD', K, '9999999999999-*', 'f', W",
        "'XLEN', K",
        "'XREAD', 'BLOCK', 0, 'STREAMS', K, 0",
        "'SELECT', 1",
        "'SELECT', 0",
        "'PING', W",
        "'ECHO', W",
        "'PUBLISH', 'x', W",
        "W, K",
        "'LCS', K, 's1', 'IDX'",
        "'CLIENT', 'GETNAME'",
        "'CONFIG', 'GET', 'maxmemory-policy'",
    ]);
    line.replace('K', "\u{1}").replace('W', word).replace('\u{1}', key)
}

/// A call of a library.
fn expression(draw: &mut Draw) -> String {
    match draw.below(100) {
        0..12 => format!("cjson.encode({})", value(draw, 0)),
        12..17 => format!("cjson.decode(cjson.encode({}))", value(draw, 0)),
        17..28 => format!("cjson.decode({})", quoted(&json(draw, 0))),
        28..31 => format!("cjson.encode(cjson.decode({}))", quoted(&json(draw, 0))),
        31..40 => format!("cmsgpack.pack({})", values(draw)),
        40..46 => format!("cmsgpack.unpack(cmsgpack.pack({}))", values(draw)),
        46..52 => format!("cmsgpack.unpack({})", packed(draw)),
        52..55 => format!("cmsgpack.unpack_one({}, {})", packed(draw), draw.between(-1, 5)),
        55..58 => format!("cmsgpack.unpack_limit({}, {}, {})", packed(draw), draw.between(-1, 4), draw.between(-1, 5)),
        58..66 => format!("struct.pack({}, {})", format_of_struct(draw), values(draw)),
        // Redis reads what lies before the text when it is given a position below 1.
        66..72 => format!("struct.unpack({}, {}, {})", format_of_struct(draw), packed(draw), draw.between(1, 9)),
        72..74 => format!("struct.size({})", format_of_struct(draw)),
        74..82 => format!("bit.{}({})", draw.pick(BIT), values(draw)),
        82..88 => match draw.pick(BASIC) {
            // Redis does not come back soon from many repetitions of what is not short.
            "string.rep" => format!("string.rep({}, {})", value(draw, 0), draw.between(-2, 300)),
            function => format!("{function}({})", values(draw)),
        },
        88..92 => format!("string.format({}, {})", quoted(draw.pick(FORMATS).as_bytes()), values(draw)),
        92..96 => {
            // In a long text some take very long.
            let (text, pattern) = (value(draw, 2).replace("65536", "300"), quoted(draw.pick(PATTERNS).as_bytes()));
            format!("string.{}({text}, {pattern}, {})", draw.pick(&["find", "match", "gsub"]), value(draw, 2))
        }
        96..98 => format!("math.{}({})", draw.pick(&["floor", "fmod", "max", "abs", "modf", "frexp"]), values(draw)),
        _ => format!(
            "(function() math.randomseed({}) return math.random(), math.random({}), math.random(1, 6) end)()",
            draw.below(100_000),
            value(draw, 2)
        ),
    }
}

const BIT: &[&str] =
    &["tobit", "tohex", "bnot", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "bswap"];

const BASIC: &[&str] = &[
    "redis.sha1hex",
    "redis.status_reply",
    "redis.error_reply",
    "tonumber",
    "select",
    "unpack",
    "type",
    "table.concat",
    "string.rep",
    "string.sub",
    "string.byte",
    "string.char",
    "string.reverse",
    "rawequal",
    "rawget",
    "assert",
    "next",
    "ipairs",
    "table.getn",
    "table.maxn",
    "math.random",
];

const FORMATS: &[&str] = &[
    "%s",
    "%d",
    "%5.2f",
    "%q",
    "%x",
    "%c",
    "%g",
    "%10s|%-10s",
    "%i",
    "%%",
    "%",
    "%y",
    "%.20f",
    "%099d",
    "%100d",
    "%u",
];

const PATTERNS: &[&str] =
    &["a", "%a+", "(%w)(%w)", "^h", "l*", "[", "%", "(", "%b()", "%f[%w]", "()", "[^a]-b", "%1", "."];

fn values(draw: &mut Draw) -> String {
    let values: Vec<String> = (0..1 + draw.below(3)).map(|_| value(draw, 0)).collect();
    values.join(", ")
}

/// A value as it is written in Lua.
fn value(draw: &mut Draw, depth: usize) -> String {
    const NUMBERS: &[&str] = &[
        "0",
        "1",
        "-1",
        "2",
        "3",
        "8",
        "1.5",
        "-0.5",
        "0.1",
        "100",
        "127",
        "128",
        "255",
        "256",
        "-32",
        "-33",
        "-128",
        "-129",
        "32767",
        "32768",
        "65535",
        "65536",
        "-32768",
        "-32769",
        "2^31 - 1",
        "2^31",
        "-2^31",
        "2^32 - 1",
        "2^32",
        "2^53",
        "2^53 + 1",
        "2^63",
        "-2^63",
        "2^64",
        "1e14",
        "1e15",
        "1e16",
        "1e100",
        "1e-7",
        "3.14159265358979",
        "1/0",
        "-1/0",
        "12345.678",
        "16777217",
        "0.25",
    ];
    const TEXTS: &[&str] = &[
        "''",
        "'a'",
        "'hello'",
        "'1'",
        "'10.5'",
        "'0x10'",
        "' 7 '",
        "'1e3'",
        "'\\0\\1\\255'",
        "'\"/\\\\\\n\\t\\127'",
        "'\\195\\169'",
        "('x'):rep(31)",
        "('x'):rep(32)",
        "('x'):rep(255)",
        "('x'):rep(256)",
        "('x'):rep(65536)",
        "'abcabc'",
        "KEYS[1]",
        "ARGV[1]",
        "ARGV[2]",
    ];
    const OTHERS: &[&str] = &["nil", "true", "false", "cjson.null", "redis.call", "KEYS", "ARGV"];
    let nested = |draw: &mut Draw| value(draw, depth + 1);
    match draw.below(100) {
        0..40 => draw.pick(NUMBERS).into(),
        40..65 => draw.pick(TEXTS).into(),
        65..74 => draw.pick(OTHERS).into(),
        _ if depth >= 3 => "{}".into(),
        74..77 => "{}".into(),
        77..84 => format!("{{{}, {}}}", nested(draw), nested(draw)),
        84..87 => format!("{{{}}}", nested(draw)),
        87..92 => format!("{{a = {}}}", nested(draw)),
        92..94 => format!("{{{}, b = {}}}", nested(draw), nested(draw)),
        94..96 => format!("{{[1] = {}, [3] = {}}}", nested(draw), nested(draw)),
        96..97 => format!("{{[{}] = {}}}", draw.pick(&["0", "-1", "1.5", "100", "11", "true", "2^53"]), nested(draw)),
        97..98 => format!("{{a = {}, b = {}, c = {}}}", nested(draw), nested(draw), nested(draw)),
        98..99 => format!("{{{}, nil, {}}}", nested(draw), nested(draw)),
        _ => format!("{{ok = {}}}", nested(draw)),
    }
}

/// A text of JSON, or nearly.
fn json(draw: &mut Draw, depth: usize) -> Vec<u8> {
    const ATOMS: &[&str] = &[
        "1",
        "0",
        "-1",
        "1.5",
        "1e5",
        "1E+5",
        "-0",
        "01",
        "+1",
        ".5",
        "5.",
        "1e",
        "0x10",
        "123456789012345678901234567890",
        "true",
        "false",
        "null",
        "nul",
        "True",
        "NaN",
        "nan",
        "Infinity",
        "-inf",
        "\"\"",
        "\"a\"",
        "\"\\u00e9\\n\\/\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\uD83Dx\"",
        "\"\\u00\"",
        "\"\\x\"",
        "\"a",
        "\"\u{1}\"",
        "\"é\"",
        "[]",
        "{}",
        "",
        " ",
        "'a'",
        "[",
        "{",
        "]",
        "}",
        ",",
        ":",
        "//",
        "1 2",
        "\"\\u0000\"",
    ];
    if depth > 3 || draw.chance(40) {
        return draw.pick(ATOMS).into();
    }
    let items: Vec<Vec<u8>> = (0..draw.below(4)).map(|_| json(draw, depth + 1)).collect();
    if draw.chance(50) {
        return [&b"["[..], &items.join(&b", "[..]), b"]"].concat();
    }
    let names = ["a", "b", "", "1", "c"];
    let fields: Vec<Vec<u8>> =
        items.into_iter().zip(names).map(|(item, name)| [format!("\"{name}\" :").as_bytes(), &item].concat()).collect();
    let close = if draw.chance(5) { b"]" } else { b"}" };
    [&b"{"[..], &fields.join(&b","[..]), close].concat()
}

/// Bytes that may be of MessagePack, or of a struct.
fn packed(draw: &mut Draw) -> String {
    const MARKS: &[u8] = &[
        0, 1, 0x7f, 0x80, 0x81, 0x90, 0x91, 0x93, 0xa0, 0xa1, 0xa3, 0xbf, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc7, 0xca,
        0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0,
        0xff,
    ];
    // Redis does not come back soon from collections that announce billions of elements.
    let small = |byte: u8| if matches!(byte, 0xdd | 0xdf) { byte - 1 } else { byte };
    let bytes: Vec<u8> = (0..draw.below(14))
        .map(|_| match draw.below(3) {
            0 => small(draw.bits() as u8),
            1 => small(draw.pick(MARKS)),
            _ => draw.below(4) as u8,
        })
        .collect();
    quoted(&bytes)
}

fn format_of_struct(draw: &mut Draw) -> String {
    const PARTS: &[&str] = &[
        "b", "B", "h", "H", "l", "L", "i", "I", "i1", "i2", "i3", "i4", "i8", "I2", "I4", "I8", "i16", "i33", "f", "d",
        "s", "c0", "c1", "c5", "c100", "x", "x2", "<", ">", "=", "!", "!2", "!4", "!8", "!3", " ", "T", "z", "i0",
        "Bc0",
    ];
    let parts: Vec<&str> = (0..1 + draw.below(4)).map(|_| draw.pick(PARTS)).collect();
    quoted(parts.concat().as_bytes())
}

/// A text as it is written in Lua.
fn quoted(text: &[u8]) -> String {
    let escaped: String = text
        .iter()
        .map(|byte| match byte {
            b' '..=b'~' if !b"'\\".contains(byte) => char::from(*byte).to_string(),
            _ => format!("\\{byte:03}"),
        })
        .collect();
    format!("'{escaped}'")
}
