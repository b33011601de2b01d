//! The files of packages that follow from the table: the explained configuration, its manual page, completions.
//!
//! `scripts/packaging/oxidis.conf` is where directives are explained; people write its texts. Their defaults there, and
//! all other files, are written anew by `OXIDIS_UPDATE_PACKAGE=1 cargo test packaged`. What is checked: every directive
//! is explained, what is shown as default is the default, and no file is stale.
//!
//! ```text
//! ## A section                 a heading
//!
//! # What it means,             a paragraph, about all that follows until the next
//! # and when to change it.
//! #name default                a default; as many lines as the value has
//! name value                   what the package sets instead
//! ```

mod completions;
mod manual;
mod sheet;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cli::{CommandLine, parse_command_line};
use super::directive::Directive;
use super::table::Config;
use crate::util::replace_file::replace_file;
use sheet::{Sheet, WITHOUT_EFFECT};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/packaging");
const STALE: &str = "is stale: run `OXIDIS_UPDATE_PACKAGE=1 cargo test packaged`";

fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn is_to_update() -> bool {
    std::env::var_os("OXIDIS_UPDATE_PACKAGE").is_some()
}

/// The explained configuration, as it will be where it is being written anew.
fn explained() -> String {
    let text = read("oxidis.conf");
    if is_to_update() { sheet::with_defaults(&text) } else { text }
}

/// Fails unless the file has this content, or gives it that.
fn expect_content(name: &str, content: &str) {
    if is_to_update() {
        // Other tests read it at the same time.
        replace_file(&path(name), content.as_bytes()).expect("a file that can be written");
    } else {
        assert!(read(name) == content, "{name} {STALE}");
    }
}

/// The options of the program that are not directives, with what `--help` says about each, and those that it leaves to
/// the manual page.
fn own_options() -> Vec<(String, String)> {
    let asked = parse_command_line(&["--help".into()], &mut std::io::empty());
    let Ok(CommandLine::PrintAndExit { text, .. }) = asked else { panic!("no help") };
    let is_own = |option: &str| Directive::find(option.trim_start_matches('-').as_bytes()).is_none();
    let mut options: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        // What is said about an option goes on below its beginning.
        let goes_on = line.len() - line.trim_start().len() >= 16;
        match (words.iter().position(|word| word.starts_with("--")), options.last_mut()) {
            (Some(place), _) if words[0].starts_with('-') && is_own(words[place]) => {
                options.push((words[place].to_owned(), words[place + 1..].join(" ")));
            }
            (_, Some((_, about))) if goes_on => *about = format!("{about} {}", words.join(" ")),
            _ => {}
        }
    }
    for (name, text) in [("--check-aof", "check, and repair, an append-only file"), ("--check-rdb", "check a snapshot")]
    {
        if !options.iter().any(|(known, _)| known == name) {
            options.push((name.to_owned(), text.to_owned()));
        }
    }
    options
}

#[test]
fn every_directive_is_explained_once() {
    let text = explained();
    let sheet = Sheet::read(&text);
    let mut explained = BTreeSet::new();
    for entry in sheet.entries() {
        for name in entry.names.iter().filter(|name| Directive::find(name.as_bytes()).is_some()) {
            assert!(entry.text.len() >= 20 && entry.text.ends_with('.'), "{name} lacks an explanation");
            assert!(explained.insert(name.clone()), "{name} is explained twice");
        }
    }
    let missing: Vec<&str> = Directive::all().map(|row| row.name).filter(|name| !explained.contains(*name)).collect();
    assert!(missing.is_empty(), "scripts/packaging/oxidis.conf does not explain {missing:?}");
}

/// So that a text does not stay when a directive comes to life.
#[test]
fn what_has_no_effect_says_so() {
    for entry in Sheet::read(&explained()).entries() {
        for name in &entry.names {
            let is_kept = super::kept::DIRECTIVES.iter().any(|row| row.name == name);
            assert_eq!(entry.text.starts_with(WITHOUT_EFFECT), is_kept, "{name}");
        }
    }
}

#[test]
fn the_defaults_that_are_shown_are_those_of_the_table() {
    expect_content("oxidis.conf", &sheet::with_defaults(&explained()));
}

#[test]
fn the_defaults_that_are_shown_load_as_such() {
    let text = explained();
    let lines = text.lines().filter_map(|line| sheet::shown_default(line).map(|(_, line)| line));
    let known =
        lines.filter(|line| sheet::name_of(line).is_some_and(|name| Directive::find(name.as_bytes()).is_some()));
    let loaded = Config::load(None, known.collect::<Vec<_>>().join("\n").as_bytes()).expect("right defaults");
    assert_eq!(loaded, Config::default());
}

#[test]
fn the_settings_of_the_package_load() {
    let text = explained();
    let settings: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let names: Vec<&str> = settings.iter().filter_map(|line| sheet::name_of(line)).collect();
    assert_eq!(names, ["bind", "supervised", "logfile", "dir"]);
    // Those folders are there once the package is installed.
    let settings: Vec<&str> = settings.into_iter().filter(|line| !line.contains("/var/")).collect();
    let loaded = Config::load(None, settings.join("\n").as_bytes()).expect("right settings");
    assert_eq!(loaded.bind, ["127.0.0.1", "-::1"]);
}

#[test]
fn the_manual_page_of_the_configuration_is_fresh() {
    expect_content("oxidis.conf.5", &manual::page(&Sheet::read(&explained())));
}

#[test]
fn completions_are_fresh() {
    let text = explained();
    let sheet = Sheet::read(&text);
    let (own, directives) = (own_options(), completions::directives(&sheet));
    expect_content("completions/oxidis.bash", &completions::bash(&own, &directives));
    expect_content("completions/oxidis.zsh", &completions::zsh(&own, &directives));
    expect_content("completions/oxidis.fish", &completions::fish(&own, &directives));
}

#[test]
fn the_manual_page_of_the_server_names_its_options() {
    let page = read("oxidis.1");
    for (name, _) in own_options() {
        let macro_argument = format!("Fl \\-{}", name.trim_start_matches('-').replace('-', "\\-"));
        assert!(page.contains(&macro_argument), "oxidis.1 lacks {name}");
    }
}

/// Where mandoc is installed.
#[test]
fn manual_pages_are_well_formed() {
    for name in ["oxidis.1", "oxidis-cli.1", "oxidis.conf.5"] {
        let Ok(checked) = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(path(name)).output() else {
            return;
        };
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}

/// Where systemd is installed. The program is not, so that another stands in its place.
#[test]
fn the_unit_is_well_formed() {
    let unit = std::fs::read_to_string(path("../oxidis.service")).expect("the unit");
    assert!(unit.contains("ExecStart=/usr/bin/oxidis "), "{unit}");
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("oxidis.service");
    std::fs::write(&copy, unit.replace("/usr/bin/oxidis", "/bin/true")).expect("a copy of the unit");
    let Ok(checked) = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&copy).output() else { return };
    let complaints = String::from_utf8_lossy(&checked.stderr);
    // Units of the machine are looked at as well.
    let ours: Vec<&str> = complaints.lines().filter(|line| line.contains("oxidis")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}
