//! The manual page oxidis.conf(5), in mdoc.

use super::sheet::{Entry, Sheet};
use crate::config::directive::{Directive, flags};

const HEAD: &str = r#".\" Written by `OXIDIS_UPDATE_PACKAGE=1 cargo test packaged` from oxidis.conf.
.Dd November 28, 2026
.Dt OXIDIS.CONF 5
.Os
.Sh NAME
.Nm oxidis.conf
.Nd configuration of the key-value server oxidis
.Sh DESCRIPTION
A line is a directive and its value; lines that begin with
.Sq #
are comments.
Values with spaces stand in double quotes, where
.Ql \en ,
.Ql \exff
and the like are understood.
Sizes may have a unit: 1k is 1000 bytes, 1kb 1024 bytes, and so on with m, mb, g and gb.
Where a directive stands twice the last line counts, save for
.Ic save
and
.Ic client\-output\-buffer\-limit ,
whose lines add up.
.Pp
The same directives are options of
.Xr oxidis 1 ,
with two hyphens before their name, and overrule the file.
CONFIG SET changes most while the server runs, and CONFIG REWRITE writes what was changed into the file.
.Pp
Each paragraph below ends with the defaults.
"#;

const TAIL: &str = r".Sh FILES
.Bl -tag -width Ds
.It Pa /etc/oxidis/oxidis.conf
The configuration of the Debian package, which has these explanations as comments.
.El
.Sh SEE ALSO
.Xr oxidis 1 ,
.Xr oxidis\-cli 1
";

/// The whole page.
pub fn page(sheet: &Sheet) -> String {
    let mut page = HEAD.to_owned();
    for section in &sheet.sections {
        page.push_str(&format!(".Sh {}\n.Bl -tag -width Ds\n", escaped(&section.title.to_uppercase())));
        section.entries.iter().for_each(|entry| page.push_str(&item(entry)));
        page.push_str(".El\n");
    }
    page + TAIL
}

fn item(entry: &Entry) -> String {
    let names: Vec<String> = entry.names.iter().map(|name| escaped(name)).collect();
    let mut item = format!(".It Ic {}\n{}\n", names.join(" , "), sentences(&entry.text));
    for fact in facts(entry) {
        item.push_str(&format!("{}\n", escaped(&fact)));
    }
    item.push_str(".Bd -literal -compact\n");
    entry.lines.iter().for_each(|line| item.push_str(&format!("{}\n", escaped(line))));
    item + ".Ed\n"
}

/// What the rows say.
fn facts(entry: &Entry) -> Vec<String> {
    let rows: Vec<&Directive> =
        entry.names.iter().filter_map(|name| Directive::find(name.as_bytes())).map(|(row, _)| row).collect();
    let mut facts = Vec::new();
    for row in &rows {
        if let Some(alias) = row.alias {
            facts.push(format!("Another name of {} is {alias}.", row.name));
        }
    }
    let mut add = |flag: u16, all: &str, some: &str| {
        let which: Vec<&str> = rows.iter().filter(|row| row.is(flag)).map(|row| row.name).collect();
        match which.len() {
            0 => {}
            count if count == rows.len() => facts.push(all.to_owned()),
            _ => facts.push(format!("{some}: {}.", which.join(", "))),
        }
    };
    add(flags::IMMUTABLE, "Cannot be changed while the server runs.", "Cannot be changed while the server runs");
    add(
        flags::PROTECTED,
        "CONFIG SET needs enable-protected-configs.",
        "CONFIG SET needs enable-protected-configs for",
    );
    facts
}

/// A sentence per line, as roff wants it.
fn sentences(text: &str) -> String {
    escaped(text).replace(". ", ".\n")
}

/// Text that roff prints as it is.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}
