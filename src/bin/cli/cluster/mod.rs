//! `--cluster`: makes clusters, looks after them, moves slots, adds and removes nodes; with the commands, the options and
//! the output of redis-cli 7.0.
//!
//! ```text
//! a command ──> manager: the nodes, found through one of them ──> node: a connection ──> member: a line of CLUSTER NODES
//!    │
//!    ├──> check ──> fix ──> repair          what is wrong, and what ends it
//!    ├──> create ──> placement, affinity    who becomes what
//!    └──> reshard, rebalance ──> plan       which slots go where;   moving: the way of one slot
//! ```
//! [`slots`], [`member`], [`placement`], [`affinity`], [`plan`] and [`repair`] know no connection: they decide, the others
//! carry out.

mod address;
mod affinity;
mod backup;
mod check;
mod create;
mod everywhere;
mod fix;
mod import;
mod manager;
mod member;
mod membership;
mod moving;
mod node;
mod placement;
mod plan;
mod rebalance;
mod repair;
mod reshard;
mod say;
pub mod settings;
mod slots;
mod stop;

use address::Address;
use manager::{Manager, tell};
use stop::Stop;

use crate::failure::Failure;
use crate::options::Options;
use crate::output::print;

/// How many words follow a command.
#[derive(Clone, Copy, Debug)]
enum Arity {
    Exactly(usize),
    AtLeast(usize),
}

/// A command: its name, the words behind it, how they are shown, the options it knows, and what it does.
struct Command {
    name: &'static str,
    arity: Arity,
    syntax: &'static str,
    options: &'static [&'static str],
    run: fn(&mut Manager<'_>, &Words) -> Result<bool, Stop>,
}

/// The words behind a command.
struct Words {
    text: Vec<String>,
    /// The same as they came, without the first.
    command: Vec<Vec<u8>>,
}

const ANY_NODE: &str = "<host:port> or <host> <port>";

const COMMANDS: &[Command] = &[
    Command {
        name: "create",
        arity: Arity::AtLeast(2),
        syntax: "<host:port> <host:port> ...",
        options: &["--cluster-replicas", "--cluster-yes"],
        run: |manager, words| create::run(manager, &words.text),
    },
    Command {
        name: "check",
        arity: Arity::AtLeast(1),
        syntax: ANY_NODE,
        options: &["--cluster-search-multiple-owners"],
        run: |manager, words| check(manager, words),
    },
    Command {
        name: "info",
        arity: Arity::AtLeast(1),
        syntax: ANY_NODE,
        options: &[],
        run: |manager, words| {
            manager.load(Address::of_arguments(&words.text)?.parts())?;
            manager.show_info().map(|()| true)
        },
    },
    Command {
        name: "fix",
        arity: Arity::AtLeast(1),
        syntax: ANY_NODE,
        options: &[
            "--cluster-search-multiple-owners",
            "--cluster-fix-with-unreachable-masters",
            "--cluster-timeout",
            "--cluster-pipeline",
            "--cluster-replace",
        ],
        run: |manager, words| {
            manager.fixes = true;
            check(manager, words)
        },
    },
    Command {
        name: "reshard",
        arity: Arity::AtLeast(1),
        syntax: ANY_NODE,
        options: &[
            "--cluster-from",
            "--cluster-to",
            "--cluster-slots",
            "--cluster-yes",
            "--cluster-timeout",
            "--cluster-pipeline",
            "--cluster-replace",
        ],
        run: |manager, words| reshard::run(manager, &words.text),
    },
    Command {
        name: "rebalance",
        arity: Arity::AtLeast(1),
        syntax: ANY_NODE,
        options: &[
            "--cluster-weight",
            "--cluster-use-empty-masters",
            "--cluster-threshold",
            "--cluster-simulate",
            "--cluster-timeout",
            "--cluster-pipeline",
            "--cluster-replace",
        ],
        run: |manager, words| rebalance::run(manager, &words.text),
    },
    Command {
        name: "add-node",
        arity: Arity::Exactly(2),
        syntax: "<new host:port> <host:port>",
        options: &["--cluster-slave", "--cluster-master-id"],
        run: |manager, words| membership::add(manager, &words.text),
    },
    Command {
        name: "del-node",
        arity: Arity::Exactly(2),
        syntax: "<host:port> <node id>",
        options: &[],
        run: |manager, words| membership::delete(manager, &words.text),
    },
    Command {
        name: "call",
        arity: Arity::AtLeast(2),
        syntax: "<host:port> <command> [argument ...]",
        options: &["--cluster-only-masters", "--cluster-only-replicas"],
        run: |manager, words| everywhere::call(manager, &words.text, &words.command),
    },
    Command {
        name: "set-timeout",
        arity: Arity::Exactly(2),
        syntax: "<host:port> <milliseconds>",
        options: &[],
        run: |manager, words| everywhere::set_timeout(manager, &words.text),
    },
    Command {
        name: "import",
        arity: Arity::Exactly(1),
        syntax: "<host:port>",
        options: &[
            "--cluster-from",
            "--cluster-from-user",
            "--cluster-from-pass",
            "--cluster-from-askpass",
            "--cluster-copy",
            "--cluster-replace",
            "--cluster-timeout",
        ],
        run: |manager, words| import::run(manager, &words.text),
    },
    Command {
        name: "backup",
        arity: Arity::Exactly(2),
        syntax: "<host:port> <directory>",
        options: &[],
        run: |manager, words| backup::run(manager, &words.text),
    },
    Command {
        name: "help",
        arity: Arity::Exactly(0),
        syntax: "",
        options: &[],
        // Status 1, as that of redis-cli.
        run: |_, _| {
            print(help());
            Ok(false)
        },
    },
];

/// `check` and `fix`
fn check(manager: &mut Manager<'_>, words: &Words) -> Result<bool, Stop> {
    manager.load(Address::of_arguments(&words.text)?.parts())?;
    manager.show_info()?;
    manager.check(true)
}

/// Runs the command with this name on the words behind the options.
///
/// # Errors
/// When there is no such command, or its work is not done.
pub fn run(options: &Options, name: &str, args: Vec<Vec<u8>>) -> Result<(), Failure> {
    let command = COMMANDS.iter().find(|command| command.name == name);
    let command = command.ok_or_else(|| Failure::new("Unknown --cluster subcommand"))?;
    let fits = match command.arity {
        Arity::Exactly(count) => args.len() == count,
        Arity::AtLeast(count) => args.len() >= count,
    };
    if !fits {
        return Err(Failure::new("[ERR] Wrong number of arguments for specified --cluster sub command"));
    }
    let text = args.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let words = Words { text, command: args.into_iter().skip(1).collect() };
    match (command.run)(&mut Manager::new(options)?, &words) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::told()),
        Err(stop) => {
            tell(stop);
            Err(Failure::told())
        }
    }
}

/// What `--cluster help` prints.
fn help() -> String {
    const COLUMN: usize = 15;
    let mut help = String::from("The commands of --cluster, and the options of each:\n\n");
    for Command { name, syntax, options, .. } in COMMANDS {
        help += format!("  {name:COLUMN$}{syntax}").trim_end();
        help.push('\n');
        options.iter().for_each(|option| help += &format!("  {:COLUMN$}  {option}\n", ""));
    }
    help + "\nAny node of the cluster will do for <host:port>, unless it is a new one. --help says what options do.\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options;

    #[test]
    fn help_names_every_command_with_options_that_exist() {
        let (help, all) = (help(), options::help());
        for command in COMMANDS {
            assert!(help.contains(&format!("  {}", command.name)), "{}", command.name);
            for option in command.options {
                assert!(help.contains(option) && all.contains(&format!("  {option}")), "{option}");
            }
        }
    }

    #[test]
    fn unknown_commands_and_missing_words_are_refused() {
        let options = Options::new(false);
        let failure = |name: &str, args: &[&str]| {
            let args = args.iter().map(|word| word.as_bytes().to_vec()).collect();
            run(&options, name, args).expect_err("a failure").to_string()
        };
        assert_eq!(failure("nothing", &[]), "Unknown --cluster subcommand");
        for (name, args) in [("create", &["a:1"][..]), ("del-node", &["a:1"]), ("check", &[]), ("help", &["x"])] {
            assert_eq!(failure(name, args), "[ERR] Wrong number of arguments for specified --cluster sub command");
        }
    }
}
