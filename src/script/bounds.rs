//! How each function written in C or Rust that a script can call is bounded, in time and in memory.
//!
//! While a script runs, others are told that the server is busy, and may end it, only when somebody looks after them
//! ([`super::lua`]). So each function takes at most a moment, or looks. Tests walk this table: it has every function
//! that scripts can reach and no other, and each is called with large values until it is ended.

#![allow(dead_code, reason = "each test uses its part: those within the crate the names, those of the server the rest")]

/// What bounds a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// It takes no longer and no more whatever it is given, or no longer than Lua's stack, of 8000 values, allows.
    Constant,
    /// It is Lua's own, or a few lines, and looks once through one text or table, and what it makes it asks of the
    /// allocator. The larger the largest block of memory is, the fewer instructions pass between two looks, and the
    /// allocator looks itself.
    Linear,
    /// It accounts for its work as it goes, and looks when it has become much; what it makes has to fit the memory that
    /// the script may use.
    Accounted,
    /// It calls what the script gives it, and passes on the error with which a script ends.
    Calls,
}

/// A function.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Where scripts find it. `()` stands for what a function returns.
    pub name: &'static str,
    /// What bounds it.
    pub bound: Bound,
    /// Code that calls it with large values, see [`LARGE_VALUES`]. It may end with an error.
    pub large: &'static str,
}

const fn row(name: &'static str, bound: Bound, large: &'static str) -> Row {
    Row { name, bound, large }
}

use Bound::{Accounted, Calls, Constant, Linear};

/// The functions, by name.
#[rustfmt::skip]
pub const FUNCTIONS: &[Row] = &[
    row("assert", Constant, "pcall(assert, false, S)"),
    row("bit.arshift", Constant, "bit.arshift(N, 3)"),
    row("bit.band", Constant, "bit.band(unpack(T, 1, 7000))"),
    row("bit.bnot", Constant, "bit.bnot(N)"),
    row("bit.bor", Constant, "bit.bor(unpack(T, 1, 7000))"),
    row("bit.bswap", Constant, "bit.bswap(N)"),
    row("bit.bxor", Constant, "bit.bxor(unpack(T, 1, 7000))"),
    row("bit.lshift", Constant, "bit.lshift(N, 3)"),
    row("bit.rol", Constant, "bit.rol(N, 3)"),
    row("bit.ror", Constant, "bit.ror(N, 3)"),
    row("bit.rshift", Constant, "bit.rshift(N, 3)"),
    row("bit.tobit", Constant, "bit.tobit(N)"),
    row("bit.tohex", Constant, "bit.tohex(N, -8)"),
    row("cjson.decode", Accounted, "cjson.decode(J)"),
    row("cjson.decode_invalid_numbers", Constant, "pcall(cjson.decode_invalid_numbers, S)"),
    row("cjson.decode_max_depth", Constant, "cjson.decode_max_depth(1000)"),
    row("cjson.encode", Accounted, "cjson.encode({S, T, U})"),
    row("cjson.encode_invalid_numbers", Constant, "pcall(cjson.encode_invalid_numbers, S)"),
    row("cjson.encode_keep_buffer", Constant, "cjson.encode_keep_buffer(true)"),
    row("cjson.encode_max_depth", Constant, "cjson.encode_max_depth(1000)"),
    row("cjson.encode_number_precision", Constant, "cjson.encode_number_precision(14)"),
    row("cjson.encode_sparse_array", Constant, "cjson.encode_sparse_array(false, 2, 10)"),
    row("cjson.new", Constant, "cjson.new()"),
    row("cjson.new().decode", Accounted, "cjson.new().decode(J)"),
    row("cjson.new().decode_invalid_numbers", Constant, "pcall(cjson.new().decode_invalid_numbers, S)"),
    row("cjson.new().decode_max_depth", Constant, "cjson.new().decode_max_depth(1000)"),
    row("cjson.new().encode", Accounted, "cjson.new().encode({S, T, U})"),
    row("cjson.new().encode_invalid_numbers", Constant, "pcall(cjson.new().encode_invalid_numbers, S)"),
    row("cjson.new().encode_keep_buffer", Constant, "cjson.new().encode_keep_buffer(true)"),
    row("cjson.new().encode_max_depth", Constant, "cjson.new().encode_max_depth(1000)"),
    row("cjson.new().encode_number_precision", Constant, "cjson.new().encode_number_precision(14)"),
    row("cjson.new().encode_sparse_array", Constant, "cjson.new().encode_sparse_array(false, 2, 10)"),
    row("cjson.new().new", Constant, "cjson.new().new()"),
    row("cmsgpack.pack", Accounted, "cmsgpack.pack(S, T, U)"),
    row("cmsgpack.unpack", Accounted, "cmsgpack.unpack(M)"),
    row("cmsgpack.unpack_limit", Accounted, "cmsgpack.unpack_limit(M, 1, 0)"),
    row("cmsgpack.unpack_one", Accounted, "cmsgpack.unpack_one(M, 0)"),
    row("collectgarbage", Accounted, "collectgarbage() collectgarbage('step', 2^30) collectgarbage('count')"),
    row("coroutine.create", Constant, "coroutine.create(function() return S end)"),
    row("coroutine.resume", Calls, "coroutine.resume(coroutine.create(function() while true do end end))"),
    row("coroutine.running", Constant, "coroutine.running()"),
    row("coroutine.status", Constant, "coroutine.status(coroutine.create(function() end))"),
    row("coroutine.wrap", Constant, "coroutine.wrap(function() while true do end end)()"),
    row("coroutine.wrap()", Calls, "pcall(coroutine.wrap(function(...) while true do coroutine.wrap(function() error(S) end)() end end))"),
    row("coroutine.yield", Constant, "local f = coroutine.wrap(function() while true do coroutine.yield(S, unpack(T, 1, 7000)) end end) while true do f() end"),
    row("error", Linear, "pcall(error, S)"),
    row("gcinfo", Constant, "gcinfo()"),
    row("getfenv", Constant, "getfenv(0)"),
    row("getmetatable", Constant, "getmetatable(S)"),
    row("getmetatable().__index", Constant, "pcall(function() return nothing end)"),
    row("ipairs", Constant, "ipairs(T)"),
    row("ipairs()", Constant, "for _ in ipairs(T) do end"),
    row("load", Accounted, "load(collectgarbage) load(function() return S end)"),
    row("loadstring", Accounted, "loadstring(S) loadstring('return {' .. ('{1},'):rep(1e6) .. '}')"),
    row("math.abs", Constant, "math.abs(N)"),
    row("math.acos", Constant, "math.acos(N)"),
    row("math.asin", Constant, "math.asin(N)"),
    row("math.atan", Constant, "math.atan(N)"),
    row("math.atan2", Constant, "math.atan2(1e308, 1e-308)"),
    row("math.ceil", Constant, "math.ceil(N)"),
    row("math.cos", Constant, "math.cos(N)"),
    row("math.cosh", Constant, "math.cosh(N)"),
    row("math.deg", Constant, "math.deg(N)"),
    row("math.exp", Constant, "math.exp(N)"),
    row("math.floor", Constant, "math.floor(N)"),
    row("math.fmod", Constant, "math.fmod(1e308, 1e-308)"),
    row("math.frexp", Constant, "math.frexp(N)"),
    row("math.ldexp", Constant, "math.ldexp(1e308, 1e-308)"),
    row("math.log", Constant, "math.log(N)"),
    row("math.log10", Constant, "math.log10(N)"),
    row("math.max", Constant, "math.max(unpack(T, 1, 7000))"),
    row("math.min", Constant, "math.min(unpack(T, 1, 7000))"),
    row("math.mod", Constant, "math.mod(1e308, 1e-308)"),
    row("math.modf", Constant, "math.modf(N)"),
    row("math.pow", Constant, "math.pow(1e308, 1e-308)"),
    row("math.rad", Constant, "math.rad(N)"),
    row("math.random", Constant, "math.random(1, 2^31 - 1)"),
    row("math.randomseed", Constant, "math.randomseed(N)"),
    row("math.sin", Constant, "math.sin(N)"),
    row("math.sinh", Constant, "math.sinh(N)"),
    row("math.sqrt", Constant, "math.sqrt(N)"),
    row("math.tan", Constant, "math.tan(N)"),
    row("math.tanh", Constant, "math.tanh(N)"),
    row("newproxy", Constant, "newproxy(true)"),
    row("next", Linear, "next(E)"),
    row("os.clock", Constant, "os.clock()"),
    row("pairs", Constant, "pairs(T)"),
    row("pairs()", Linear, "for _ in pairs(E) do end pairs(E)(E)"),
    row("pcall", Calls, "pcall(function() while true do pcall(string.gsub, S, 'x', '') end end)"),
    row("rawequal", Constant, "rawequal(S, T)"),
    row("rawget", Constant, "rawget(T, 1)"),
    row("rawset", Linear, "rawset(T, {}, 1)"),
    row("redis.acl_check_cmd", Accounted, "redis.acl_check_cmd('set', 'key', S)"),
    row("redis.breakpoint", Constant, "redis.breakpoint()"),
    row("redis.call", Accounted, "redis.call('echo', S) redis.call('ping')"),
    row("redis.debug", Constant, "redis.debug(S)"),
    row("redis.error_reply", Accounted, "redis.error_reply(S)"),
    row("redis.log", Accounted, "redis.log(redis.LOG_DEBUG, S, S)"),
    row("redis.pcall", Accounted, "redis.pcall(unpack(V))"),
    row("redis.replicate_commands", Constant, "redis.replicate_commands()"),
    row("redis.set_repl", Constant, "redis.set_repl(redis.REPL_ALL)"),
    row("redis.setresp", Constant, "redis.setresp(3)"),
    row("redis.sha1hex", Accounted, "redis.sha1hex(S)"),
    row("redis.status_reply", Constant, "redis.status_reply(S)"),
    row("select", Constant, "select(7000, unpack(T, 1, 7000))"),
    row("setfenv", Constant, "setfenv(function() end, {})"),
    row("setmetatable", Constant, "setmetatable({}, {})"),
    row("string.byte", Constant, "string.byte(S, 1, 7000)"),
    row("string.char", Constant, "string.char(unpack(T, 1, 7000))"),
    row("string.dump", Linear, "string.dump(function() return S end)"),
    row("string.find", Accounted, "S:find('y') S:find('x-y') S:find(('x'):rep(1e6) .. 'y', 1, true)"),
    row("string.format", Linear, "string.format('%s%q', S, S)"),
    row("string.gfind", Accounted, "for w in string.gfind(S, '.-y') do end string.gfind(S, '.')()"),
    row("string.gmatch", Accounted, "for w in string.gmatch(S, '.-y') do end string.gmatch(S, '.')()"),
    row("string.gmatch()", Calls, "for w in string.gmatch('x x x', '%a') do end"),
    row("string.gmatch(long)()", Accounted, "for w in string.gmatch(S, '()x*()y') do end"),
    row("string.gsub", Accounted, "pcall(string.gsub, S, '.', {}) pcall(string.gsub, S, '.', '%0%0') S:gsub('.', string.rep)"),
    row("string.len", Constant, "string.len(S)"),
    row("string.lower", Accounted, "string.lower(S)"),
    row("string.match", Accounted, "S:match('.-.-y') S:match('(.*)')"),
    row("string.rep", Accounted, "string.rep(S, 4)"),
    row("string.reverse", Accounted, "string.reverse(S)"),
    row("string.sub", Linear, "string.sub(S, 2)"),
    row("string.upper", Accounted, "string.upper(S)"),
    row("struct.pack", Accounted, "struct.pack(('s'):rep(8), S, S, S, S, S, S, S, S)"),
    row("struct.size", Accounted, "struct.size(('x'):rep(2^22))"),
    row("struct.unpack", Accounted, "struct.unpack('c' .. #S, S) pcall(struct.unpack, ('<'):rep(2^22), S)"),
    row("table.concat", Accounted, "table.concat(T, ',') pcall(table.concat, U, S)"),
    row("table.foreach", Linear, "table.foreach(T, collectgarbage)"),
    row("table.foreachi", Linear, "table.foreachi(T, math.max) table.foreachi(W, string.sub)"),
    row("table.getn", Linear, "table.getn(T)"),
    row("table.insert", Linear, "table.insert(T, 1, 1) pcall(table.insert, T, 2^31, 1) table.remove(T)"),
    row("table.maxn", Linear, "table.maxn(T)"),
    row("table.remove", Linear, "table.remove(T, 1) T[#T + 1] = 1"),
    row("table.setn", Constant, "pcall(table.setn, T, 1)"),
    row("table.sort", Accounted, "table.sort(T, rawequal) table.sort(T) pcall(table.sort, W)"),
    row("tonumber", Linear, "tonumber(S, 36)"),
    row("tostring", Constant, "tostring(S)"),
    row("type", Constant, "type(S)"),
    row("unpack", Constant, "unpack(T, 1, 7000)"),
    row("xpcall", Calls, "xpcall(error, function() while true do end end)"),
];

/// The function that only the code of a library has, while it is loaded.
pub const OF_LOADING: Row = row(
    "redis.register_function",
    Accounted,
    "n = n + 1 redis.register_function({function_name = 'f' .. n, description = ('x'):rep(2^20), callback = f})",
);

/// What the rows call functions with: a long text, a table of 2^18 elements, one that had as many, another whose
/// elements stand for 2^60 in all, texts in JSON and MessagePack, and arguments.
pub const LARGE_VALUES: &str = "
    local S, N = ('x'):rep(2^24), 2^31 - 0.5
    local J = '[' .. ('1,'):rep(2^18) .. '1]'
    local T, E = cjson.decode(J), cjson.decode(J)
    for k in pairs(E) do E[k] = nil end
    local U = {S} for i = 1, 60 do U = {U, U} end
    local M = '\\221\\0\\4\\0\\0' .. ('\\1'):rep(2^18)
    local V, W = {}, {}
    for i = 1, 7000 do V[i] = S end
    for i = 1, 2000 do W[i] = (i < 8 and (' '):rep(2^20) .. i or W[i - 7]) end
";

/// Returns the names of all functions that are not written in Lua, as far as scripts can get hold of them. Those of
/// `server` are those of `redis`.
pub const WALK: &str = "
    local names, seen = {}, {[server] = true}
    local function walk(name, value)
        local meta = getmetatable(value)
        if type(meta) == 'table' and not seen[meta] then
            walk('getmetatable()', meta)
        end
        if type(value) == 'function' and not pcall(string.dump, value) then
            names[#names + 1] = name
        elseif type(value) == 'table' and not seen[value] then
            seen[value] = true
            for key, field in pairs(value) do
                walk(name == '_G' and key or name .. '.' .. tostring(key), field)
            end
        end
    end
    walk('_G', _G)
    walk('ipairs()', (ipairs({})))
    walk('pairs()', (pairs({})))
    walk('string.gmatch()', string.gmatch('', ''))
    walk('string.gmatch(long)()', string.gmatch(('x'):rep(2^16), 'x*y'))
    walk('coroutine.wrap()', coroutine.wrap(function() end))
    walk('cjson.new()', cjson.new())
    return names
";
