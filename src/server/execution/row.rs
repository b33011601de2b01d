//! A row of the table of commands: what is known about a command, and its handler.
//!
//! Rows stand in the family files under `commands/`. The table that everybody looks names up in has the specs alone, so
//! that it can be used where no server is known; [`Rows`] leads from a command's place in it to its handler.

use std::ops::Deref;

use super::context::Ctx;
use crate::command::spec::{Arity, Categories, Channels, DatabasesReached, FindKeys, Flags, Group, Keys, Spec};
use crate::command::{Args, CmdResult, CommandId, CommandTable};
use crate::resp::request::ArgView;
use crate::server::Server;

/// What a command does when it is called.
pub type Handler = fn(&mut Ctx<'_>, Args<'_>) -> CmdResult;

/// The flags of one call, made of its arguments and the flags of the row.
pub type FlagsOfCall = fn(&Server, &Args<'_>, Flags) -> Flags;

/// A command, or a subcommand such as CLIENT LIST. Build it with [`Command::new`] and the methods that follow it.
#[derive(Debug)]
pub struct Command {
    /// What is known about it.
    pub spec: Spec,
    /// What it does.
    pub handler: Handler,
    /// Its subcommands.
    pub subcommands: &'static [Command],
    /// Tells the flags of a call where they depend on its arguments.
    call_flags: Option<FlagsOfCall>,
}

impl Deref for Command {
    type Target = Spec;
    fn deref(&self) -> &Spec {
        &self.spec
    }
}

macro_rules! of_spec {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $kind:ty),*);)*) => {
        $($(#[$doc])* pub const fn $name(mut self, $($arg: $kind),*) -> Command {
            self.spec = self.spec.$name($($arg),*);
            self
        })*
    };
}

impl Command {
    /// A row with its name, arity and handler; the rest follows through the other methods.
    pub const fn new(name: &'static str, arity: Arity, handler: Handler) -> Command {
        Command { spec: Spec::new(name, arity), handler, subcommands: &[], call_flags: None }
    }

    /// A command that only carries subcommands. Its handler is never called: without a subcommand the arity is wrong,
    /// and an unknown one is refused like an unknown command.
    pub const fn container(name: &'static str, subcommands: &'static [Command]) -> Command {
        let handler: Handler = |cx, args| Err(cx.unknown_subcommand(args.get(1)));
        Command { spec: Spec::container(name), handler, subcommands, call_flags: None }
    }

    of_spec! {
        /// Sets the chapter.
        group(group: Group);
        /// Says since which version there is a better way, and which.
        deprecated(since: &'static str, replaced_by: &'static str);
        /// Says that it is of use to servers and test suites alone.
        for_systems();
        /// Says what a call costs, where that is neither constant time nor up to a subcommand.
        complexity(complexity: &'static str);
        /// Lists what changed since the command came, with the Redis version of each change.
        history(history: &'static [(&'static str, &'static str)]);
        /// Adds flags.
        flags(flags: &[Flags]);
        /// Sets the rules that find the keys.
        keys(keys: &'static [Keys]);
        /// Sets the version, the syntax of the arguments and the sentence of the documentation.
        docs(since: &'static str, syntax: &'static str, summary: &'static str);
        /// Sets the function that names the secret arguments.
        secrets(secrets: fn(&ArgView<'_>) -> Vec<usize>);
        /// Sets the hints to clients.
        tips(tips: &'static [&'static str]);
        /// Adds ACL categories.
        acl(categories: Categories);
        /// Leaves the group's own category out.
        outside_group_category();
        /// Sets a function that finds the keys where rules can't.
        find_keys(find: FindKeys);
        /// Says which databases a call reaches.
        databases(databases: DatabasesReached);
        /// Says which arguments are channels that a right is needed for.
        channels(channels: Channels);
    }

    /// Adds subcommands to a command that is also callable by itself.
    pub const fn subcommands(mut self, subcommands: &'static [Command]) -> Command {
        self.spec = self.spec.with_subcommands();
        self.subcommands = subcommands;
        self
    }

    /// Sets a function that tells the flags of a call.
    pub const fn call_flags(mut self, flags: FlagsOfCall) -> Command {
        self.call_flags = Some(flags);
        self
    }

    /// The flags of a call.
    pub fn flags_of_call(&self, server: &Server, args: &Args<'_>) -> Flags {
        self.call_flags.map_or(self.spec.flags, |flags| flags(server, args, self.spec.flags))
    }
}

/// The rows of all commands, by their place in the table.
#[derive(Debug)]
pub struct Rows(Vec<&'static Command>);

impl Rows {
    /// The table of all families, and its rows.
    pub fn new(families: &[&'static [Command]]) -> (CommandTable, Rows) {
        let top = || families.iter().flat_map(|family| family.iter());
        let table = CommandTable::new(top().map(|row| (&row.spec, row.subcommands.iter().map(|sub| &sub.spec))));
        (table, Rows(top().flat_map(|row| std::iter::once(row).chain(row.subcommands)).collect()))
    }

    /// A command's row.
    #[inline]
    pub fn row(&self, id: CommandId) -> &'static Command {
        self.0[id.index()]
    }
}
