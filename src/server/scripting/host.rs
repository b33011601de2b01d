//! The functions for scripts that act on the server: calling commands above all.

use super::run;
use crate::script::functions::{Functions, Host, push, raise};
use crate::script::lua::{Lua, Outcome, function};

/// What scripts get of the server.
pub const HOST: Host = Host { redis: REDIS, math: MATH };

const REDIS: Functions = &[
    ("call", || function(|lua| run::call_command(lua, true))),
    ("pcall", || function(|lua| run::call_command(lua, false))),
    ("setresp", || function(set_protocol)),
    ("set_repl", || function(set_propagation)),
    ("acl_check_cmd", || function(may_call)),
];
const MATH: Functions = &[("random", || function(math_random)), ("randomseed", || function(math_seed))];

fn set_protocol(lua: Lua) -> Outcome {
    run::with(|run, server| {
        if lua.top() != 1 {
            return Err(raise(lua, "redis.setresp() requires one argument."));
        }
        let version = lua.number(1) as i64;
        if !(2..=3).contains(&version) {
            return Err(raise(lua, "RESP version must be 2 or 3."));
        }
        run.speak(server, version == 3);
        Ok(0)
    })
    .unwrap_or_else(|| Err(raise(lua, "redis.setresp can only be called inside a script invocation")))
}

fn set_propagation(lua: Lua) -> Outcome {
    run::with(|run, server| {
        if lua.top() != 1 {
            return Err(raise(lua, "redis.set_repl() requires two arguments."));
        }
        let target = lua.number(1) as i64;
        let Some(target) = u8::try_from(target).ok().filter(|target| *target <= 3) else {
            let text = "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
            return Err(raise(lua, text));
        };
        run.propagate_to(server, target);
        Ok(0)
    })
    .unwrap_or_else(|| Err(raise(lua, "redis.set_repl can only be called inside a script invocation")))
}

fn may_call(lua: Lua) -> Outcome {
    run::with(|run, server| {
        run.take_arguments(lua)?;
        match run.resolve(server) {
            Some(command) => push(lua, run.user_may_call(server, command)),
            None => Err(raise(lua, "Invalid command passed to redis.acl_check_cmd()")),
        }
    })
    .unwrap_or_else(|| Err(raise(lua, "redis.acl_check_cmd can only be called inside a script invocation")))
}

fn math_random(lua: Lua) -> Outcome {
    let Some(fraction) = run::with(|_, server| server.script.random.fraction()) else {
        return Err(lua.error("math.random can only be called inside a script invocation"));
    };
    let drawn = match lua.top() {
        0 => fraction,
        1 => {
            let upper = lua.check_integer(1)? as i32;
            if upper < 1 {
                return Err(lua.wrong_argument(1, "interval is empty"));
            }
            (fraction * f64::from(upper)).floor() + 1.0
        }
        2 => {
            let (lower, upper) = (lua.check_integer(1)? as i32, lua.check_integer(2)? as i32);
            if lower > upper {
                return Err(lua.wrong_argument(2, "interval is empty"));
            }
            let span = upper.wrapping_sub(lower).wrapping_add(1);
            (fraction * f64::from(span)).floor() + f64::from(lower)
        }
        _ => return Err(lua.error("wrong number of arguments")),
    };
    lua.push_number(drawn);
    Ok(1)
}

fn math_seed(lua: Lua) -> Outcome {
    let seed = lua.check_integer(1)? as i32;
    match run::with(|_, server| server.script.random.seed(seed)) {
        Some(()) => Ok(0),
        None => Err(lua.error("math.randomseed can only be called inside a script invocation")),
    }
}
