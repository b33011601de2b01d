//! INFO replication: the server's part, its replicas or its primary, and the history of the data set.

use super::section::{Section, Source};
use crate::config::ReplicaOf;
use crate::peers::repl::link::State;
use crate::peers::repl::main_channel::MainChannel;
use crate::server::Server;
use crate::server::replication::{roster, stream};

/// The section.
pub fn section(source: &Source<'_>, section: &mut Section<'_>) {
    let server = source.server;
    match server.replica_of() {
        Some(of) => replica(server, of, section),
        None => section.field("role", "master"),
    }
    section.field("connected_slaves", roster::followers(server).count());
    if server.config.min_replicas_to_write > 0 && server.config.min_replicas_max_lag > 0 {
        section.field("min_slaves_good_slaves", server.repl.good_replicas);
    }
    replicas(server, section);
    let history = &server.repl.history;
    section.field("master_failover_state", server.repl.failover.name());
    section.field("master_replid", &history.id);
    section.field("master_replid2", &history.second_id);
    section.field("master_repl_offset", history.offset);
    section.field("second_repl_offset", history.second_offset);
    let backlog = server.repl.backlog.as_ref();
    section.field("repl_backlog_active", u8::from(backlog.is_some()));
    section.field("repl_backlog_size", server.config.repl_backlog_size);
    section.field("repl_backlog_first_byte_offset", backlog.map_or(0, |backlog| backlog.start() + 1));
    section.field("repl_backlog_histlen", backlog.map_or(0, |backlog| backlog.len()));
}

fn replica(server: &Server, of: &ReplicaOf, section: &mut Section<'_>) {
    let (repl, now) = (&server.repl, server.clock.unix_ms());
    let primary = repl.primary.as_ref();
    let syncing = repl.link.is_syncing();
    section.field("role", "slave");
    section.field("master_host", &of.host);
    section.field("master_port", of.port);
    section.field("master_link_status", if primary.is_some() { "up" } else { "down" });
    section.field("master_last_io_seconds_ago", primary_silent_s(server));
    section.field("master_sync_in_progress", u8::from(syncing));
    let offset = repl.replica_offset();
    section.field("slave_read_repl_offset", offset + stream::unapplied_bytes(server) as i64);
    section.field("slave_repl_offset", offset);
    // Unless the snapshot has a connection of its own, what follows it waits in the primary's output.
    let kept_bytes = repl.link.main.as_ref().map_or(0, MainChannel::kept_bytes);
    section.field("replica_full_sync_buffer_size", kept_bytes);
    section.field("replica_full_sync_buffer_peak", repl.kept_bytes_peak);
    let history = &repl.link_history;
    section.field("master_current_sync_attempts", history.tries);
    section.field("master_total_sync_attempts", history.tries_in_all);
    if syncing {
        let (read, total) = match &repl.link.state {
            State::Receiving(receiving) => receiving.progress(),
            _ => server.loading.as_ref().map_or((0, None), |loading| {
                (loading.loaded_bytes(), Some(loading.total_bytes).filter(|total| *total > 0))
            }),
        };
        let total_shown = total.unwrap_or(0);
        let left = total.map_or(-1, |total| total as i64 - read as i64);
        let percent = total.filter(|total| *total > 0).map_or(0.0, |total| read as f64 * 100.0 / total as f64);
        section.field("master_sync_total_bytes", total_shown);
        section.field("master_sync_read_bytes", read);
        section.field("master_sync_left_bytes", left);
        section.field("master_sync_perc", format_args!("{percent:.2}"));
        section.field("master_sync_last_io_seconds_ago", (now - repl.link.heard_ms).max(0) / 1000);
    }
    let seconds_since = |since_ms: Option<i64>| since_ms.map_or(-1, |since| (now - since).max(0) / 1000);
    match primary {
        None => section.field("master_link_down_since_seconds", seconds_since(repl.down_since_ms)),
        Some(_) => section.field("master_link_up_since_seconds", seconds_since(history.up_since_ms)),
    }
    section.field("total_disconnect_time_sec", history.down_ms / 1000);
    section.field("slave_priority", server.config.replica_priority);
    section.field("slave_read_only", u8::from(server.config.replica_read_only));
    section.field("replica_announced", u8::from(server.config.replica_announced));
}

/// Seconds since the primary was heard; -1 while there is no link to it.
pub fn primary_silent_s(server: &Server) -> i64 {
    let client = server.repl.primary.as_ref().and_then(|primary| server.clients.get(primary.client));
    client.map_or(-1, |client| (server.clock.unix_ms() - client.active_ms) / 1000)
}

fn replicas(server: &Server, section: &mut Section<'_>) {
    let now = server.clock.unix_ms();
    let mut number = 0;
    for (key, replica) in roster::followers(server) {
        let Some(state) = replica.state() else { continue };
        let (ip, port) = roster::address(server, key);
        let (lag, acked) = (replica.lag_s(now), replica.acked);
        section.field(
            format_args!("slave{number}"),
            format_args!("ip={ip},port={port},state={state},offset={acked},lag={lag}"),
        );
        number += 1;
    }
}
