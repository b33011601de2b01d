//! The files of packages that follow from the options: the list in the manual page, and completions.
//!
//! `OXIDIS_UPDATE_PACKAGE=1 cargo test packaged` writes them anew.

use std::path::Path;

use super::all_rows;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/packaging");
const STALE: &str = "is stale: run `OXIDIS_UPDATE_PACKAGE=1 cargo test packaged`";
const NOTE: &str = "# Written by `OXIDIS_UPDATE_PACKAGE=1 cargo test packaged`.\n";

const BEGIN: &str = ".\\\" Options, written by `OXIDIS_UPDATE_PACKAGE=1 cargo test packaged`: begin\n";
const END: &str = ".\\\" Options: end\n";

/// An option of which `--help` tells.
struct Shown {
    names: &'static [&'static str],
    /// What it takes, as `<name>`; empty for nothing.
    value: &'static str,
    /// What it does, in one line.
    text: String,
}

impl Shown {
    /// What it takes is the name of a file or a folder.
    fn takes_path(&self) -> bool {
        matches!(self.value, "<file>" | "<path>" | "<dir>")
    }
}

fn shown() -> Vec<Shown> {
    let rows = all_rows().filter(|(.., help)| !help.is_empty());
    rows.map(|(names, effect, help)| Shown { names, value: effect.value(), text: help.replace('\n', " ") }).collect()
}

fn check(name: &str, content: &str) {
    let path = Path::new(FOLDER).join(name);
    if std::env::var_os("OXIDIS_UPDATE_PACKAGE").is_some() {
        std::fs::write(path, content).expect("a file that can be written");
    } else {
        assert!(std::fs::read_to_string(path).is_ok_and(|found| found == content), "{name} {STALE}");
    }
}

/// Text that roff prints as it is.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

/// A text in single quotes, for zsh and fish; in fish a backslash has to be told apart, in zsh it has not.
fn quoted(text: &str, quote: &str) -> String {
    format!("'{}'", text.replace('\'', quote))
}

fn manual_list(options: &[Shown]) -> String {
    let mut list = ".Bl -tag -width Ds\n".to_owned();
    for option in options {
        let names: Vec<String> = option.names.iter().map(|name| format!("Fl {}", escaped(&name[1..]))).collect();
        let value = match option.value.trim_matches(['<', '>']) {
            "" => String::new(),
            name => format!(" Ar {}", escaped(name)),
        };
        list.push_str(&format!(".It {}{value}\n", names.join(" , ")));
        list.push_str(&format!("{}\n", escaped(&option.text).replace(". ", ".\n")));
    }
    list + ".El\n"
}

fn bash(options: &[Shown]) -> String {
    let all: Vec<&str> = options.iter().flat_map(|option| option.names).copied().collect();
    let which = |wanted: fn(&Shown) -> bool| {
        let names = options.iter().filter(|option| wanted(option)).flat_map(|option| option.names);
        names.copied().collect::<Vec<_>>().join(" | ")
    };
    format!(
        "{NOTE}_oxidis_cli() {{\n    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}\n    \
         COMPREPLY=()\n    case $before in\n    {}) return 0 ;;\n    \
         {}) compopt +o default; return 0 ;;\n    esac\n    \
         [[ $current == -* ]] || return 0\n    \
         mapfile -t COMPREPLY < <(compgen -W '\n{}\n    ' -- \"$current\")\n}}\n\
         complete -o default -F _oxidis_cli oxidis-cli\n",
        which(Shown::takes_path),
        which(|option| !option.value.is_empty() && !option.takes_path()),
        all.iter().map(|name| format!("        {name}")).collect::<Vec<_>>().join("\n")
    )
}

fn zsh(options: &[Shown]) -> String {
    let mut text = format!("#compdef oxidis-cli\n{NOTE}_arguments \\\n");
    for option in options {
        let about = option.text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]");
        let value = match option.value.trim_matches(['<', '>']) {
            "" => String::new(),
            name if option.takes_path() => format!(":{name}:_files"),
            name => format!(":{name}: "),
        };
        for name in option.names {
            text.push_str(&format!("    {} \\\n", quoted(&format!("{name}[{about}]{value}"), "'\\''")));
        }
    }
    text + "    '*::command: '\n"
}

fn fish(options: &[Shown]) -> String {
    let mut text = format!("{NOTE}complete -c oxidis-cli -f\n");
    for option in options {
        text.push_str("complete -c oxidis-cli");
        for name in option.names {
            match name.strip_prefix("--") {
                Some(long) => text.push_str(&format!(" -l {long}")),
                None => text.push_str(&format!(" -s {}", &name[1..])),
            }
        }
        text.push_str(if option.takes_path() {
            " -r -F"
        } else if option.value.is_empty() {
            ""
        } else {
            " -x"
        });
        text.push_str(&format!(" -d {}\n", quoted(&option.text.replace('\\', "\\\\"), "\\'")));
    }
    text
}

#[test]
fn the_manual_page_lists_the_options() {
    let page = std::fs::read_to_string(Path::new(FOLDER).join("oxidis-cli.1")).expect("the manual page");
    let (head, rest) = page.split_once(BEGIN).expect("the mark where the options begin");
    let (_, tail) = rest.split_once(END).expect("the mark where the options end");
    check("oxidis-cli.1", &format!("{head}{BEGIN}{}{END}{tail}", manual_list(&shown())));
}

#[test]
fn completions_are_fresh() {
    let options = shown();
    check("completions/oxidis-cli.bash", &bash(&options));
    check("completions/oxidis-cli.zsh", &zsh(&options));
    check("completions/oxidis-cli.fish", &fish(&options));
}
