//! What somebody is told who starts the server by hand: where it listens, where its data goes, how to reach it.

use std::io::{self, IsTerminal};
use std::path::Path;

use crate::config::Config;
use crate::server::observe::log_format;

/// Tells it, where a person looks.
pub fn show(config: &Config) {
    if config.logfile.is_empty() && !config.syslog_enabled && io::stdout().is_terminal() {
        let folder = std::env::current_dir().unwrap_or_default();
        log_format::write_plain(config, &text(config, &folder));
    }
}

fn text(config: &Config, folder: &Path) -> String {
    let lines = [
        ("listens", listens(config)),
        ("data", data(config, folder)),
        ("reach it", reach(config)),
        ("look at it", look(config)),
        ("end it", "Ctrl-C".to_owned()),
    ];
    let lines: String = lines.iter().map(|(name, what)| format!("  {name:<11}{what}\n")).collect();
    format!("\n{lines}\n")
}

fn listens(config: &Config) -> String {
    let everywhere = config.bind.iter().any(|bind| bind.trim_start_matches('-').contains('*'));
    let binds: Vec<&str> = config.bind.iter().map(|bind| bind.trim_start_matches('-')).collect();
    let at = if everywhere { "every address".to_owned() } else { binds.join(", ") };
    let ports = [(config.port, "port"), (config.tls_port, "TLS port")];
    let mut places: Vec<String> =
        ports.iter().filter(|(port, _)| *port != 0).map(|(port, name)| format!("{name} {port} of {at}")).collect();
    places.extend(config.unixsocket.iter().map(|path| format!("socket {path}")));
    let alone = config.protected_mode && config.requirepass.is_none();
    let who = if alone { " (without a password: this machine alone may connect)" } else { "" };
    format!("{}{who}", places.join(", "))
}

fn data(config: &Config, folder: &Path) -> String {
    let folder = folder.display();
    match (config.appendonly, config.save.is_empty()) {
        (true, _) => format!("{folder}/{}, each change is logged", config.appenddirname),
        (false, false) => format!("{folder}/{}, saved now and then", config.dbfilename),
        (false, true) => "kept in memory alone: nothing is saved".to_owned(),
    }
}

fn reach(config: &Config) -> String {
    match (config.port, config.tls_port, &config.unixsocket) {
        (0, 0, Some(path)) => format!("oxidis-cli -s {path}"),
        (0, port, _) => format!("oxidis-cli --tls -p {port}"),
        (6379, _, _) => "oxidis-cli".to_owned(),
        (port, _, _) => format!("oxidis-cli -p {port}"),
    }
}

fn look(config: &Config) -> String {
    let scheme = if config.metrics_tls { "https" } else { "http" };
    match (config.metrics_port, config.metrics_bind.first()) {
        (0, _) => "start it with --metrics-port 9121 for a page at http://127.0.0.1:9121/".to_owned(),
        (port, Some(host)) if host != "*" => format!("{scheme}://{host}:{port}/"),
        (port, _) => format!("{scheme}://127.0.0.1:{port}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_the_server_listens_and_where_data_goes() {
        let mut config = Config { port: 7000, appendonly: true, metrics_port: 9121, ..Config::default() };
        let told = text(&config, Path::new("/data"));
        assert!(told.contains("port 7000 of every address (without a password"), "{told}");
        assert!(told.contains("/data/appendonlydir, each change is logged"), "{told}");
        assert!(told.contains("oxidis-cli -p 7000\n") && told.contains("http://127.0.0.1:9121/\n"), "{told}");
        config.bind = vec!["127.0.0.1".into(), "-::1".into()];
        (config.port, config.tls_port, config.appendonly) = (0, 7001, false);
        (config.requirepass, config.metrics_port) = (Some(b"x".to_vec()), 0);
        let told = text(&config, Path::new("/data"));
        assert!(told.contains("TLS port 7001 of 127.0.0.1, ::1\n"), "{told}");
        assert!(told.contains("/data/dump.rdb, saved now and then"), "{told}");
        assert!(told.contains("oxidis-cli --tls -p 7001") && told.contains("--metrics-port 9121"), "{told}");
        config.save.clear();
        assert!(text(&config, Path::new("/data")).contains("nothing is saved"));
    }
}
