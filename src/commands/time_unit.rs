//! The four ways in which commands give a time: in seconds or milliseconds, from now on or since 1970.

use crate::command::{Args, Error};
use crate::server::execution::Ctx;

/// How a time argument is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeUnit {
    milliseconds: i64,
    /// From now on, rather than since 1970.
    relative: bool,
}

/// Seconds from now on: EX.
pub const SECONDS: TimeUnit = TimeUnit { milliseconds: 1000, relative: true };
/// Milliseconds from now on: PX.
pub const MILLISECONDS: TimeUnit = TimeUnit { milliseconds: 1, relative: true };
/// Seconds since 1970: EXAT.
pub const UNIX_SECONDS: TimeUnit = TimeUnit { milliseconds: 1000, relative: false };
/// Milliseconds since 1970: PXAT. Expiries are kept and propagated in this unit.
pub const UNIX_MILLISECONDS: TimeUnit = TimeUnit { milliseconds: 1, relative: false };

impl TimeUnit {
    /// The unit that the option at `index` names.
    pub fn of_option(args: &Args<'_>, index: usize) -> Option<TimeUnit> {
        let units = [("EX", SECONDS), ("PX", MILLISECONDS), ("EXAT", UNIX_SECONDS), ("PXAT", UNIX_MILLISECONDS)];
        units.into_iter().find(|(word, _)| args.is(index, word)).map(|(_, unit)| unit)
    }

    /// The Unix time in milliseconds that an amount means.
    ///
    /// # Errors
    /// When it cannot be kept, or `allows` does not take it.
    pub fn unix_ms(self, cx: &Ctx<'_>, amount: i64, allows: impl FnOnce(i64) -> bool) -> Result<i64, Error> {
        let base = if self.relative { cx.clock_ms() } else { 0 };
        let at = amount.checked_mul(self.milliseconds).and_then(|amount| amount.checked_add(base));
        at.filter(|at| allows(*at))
            .ok_or_else(|| Error::invalid_expire(&cx.server.commands.entry(cx.command).full_name))
    }
}
