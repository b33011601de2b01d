//! The title of the process.

use super::Server;
use crate::config::expand_proc_title;

/// Shows the title of the process anew.
pub fn show_title(server: &mut Server) {
    let config = &server.config;
    let port = config.shown_port();
    let unix_socket = config.unixsocket.as_deref().unwrap_or_default();
    let title = expand_proc_title(&config.proc_title_template, |variable| {
        Some(match variable {
            "title" => server.program.clone(),
            "listen-addr" if port == 0 => format!("unixsocket:{unix_socket}"),
            "listen-addr" => format!("{}:{port}", config.bind.first().map_or("*", String::as_str)),
            "server-mode" if config.cluster_enabled => "[cluster]".to_owned(),
            "server-mode" => String::new(),
            "config-file" => match &config.config_file {
                Some(path) => path.display().to_string(),
                None => "-".to_owned(),
            },
            "port" => config.port.to_string(),
            "tls-port" => config.tls_port.to_string(),
            "unixsocket" => unix_socket.to_owned(),
            _ => return None,
        })
    });
    if let (Some(memory), Some(title)) = (&mut server.title, title) {
        memory.set(&title);
    }
}
