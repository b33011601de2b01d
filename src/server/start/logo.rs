//! The picture at the top of the log of a server that runs in a terminal.

use std::io::{self, IsTerminal};

use crate::config::{Config, REDIS_VERSION};

/// Shows the logo where a person looks or asked for it, else one line with the facts.
pub fn show(config: &Config) {
    let port = config.shown_port();
    let mode = config.mode_name();
    let on_terminal = config.logfile.is_empty() && !config.syslog_enabled && io::stdout().is_terminal();
    if config.always_show_logo || on_terminal {
        crate::server::observe::log_format::write_plain(config, &logo(mode, port));
    } else {
        log::info!("Running mode={mode}, port={port}.");
    }
}

fn logo(mode: &str, port: u16) -> String {
    let facts = [
        format!("Redis {REDIS_VERSION} (00000000/0) 64 bit"),
        format!("Oxidis {}", env!("CARGO_PKG_VERSION")),
        String::new(),
        format!("Running in {mode} mode"),
        format!("Port: {port}"),
        format!("PID: {}", std::process::id()),
    ];
    let picture = [
        r"        .-----------.      ",
        r"     .-'  .-------.  '-.   ",
        r"    /   .'   \ /   '.   \  ",
        r"   |    |  -- O --  |    | ",
        r"    \   '.   / \   .'   /  ",
        r"     '-.  '-------'  .-'   ",
    ];
    let lines = picture.iter().zip(facts).map(|(part, fact)| format!("{part}   {fact}\n"));
    let foot = "        '-----------'      \n\n";
    "\n".chars().map(String::from).chain(lines).chain([foot.to_owned()]).collect()
}
