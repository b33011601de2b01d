//! INFO persistence: how the data set is saved and loaded.

use super::section::{Section, Source};
use crate::config::{Choice, SnapshotMethod};
use crate::persist::child::Child;
use crate::persist::fork::Purpose;
use crate::server::persistence::load_state::Loading;
use crate::server::persistence::progress;

/// The section.
pub fn section(source: &Source<'_>, section: &mut Section<'_>) {
    let persist = &source.server.persist;
    let snapshots = &persist.snapshots;
    let status = |ok: bool| if ok { "ok" } else { "err" };
    let seconds_of = |purpose: Purpose| {
        let child = persist.child.as_ref().filter(|child| child.purpose == purpose);
        child.map(|child| child.started.elapsed().as_secs() as i64)
    };
    let saving = seconds_of(Purpose::Rdb).or_else(|| seconds_of(Purpose::Sync));
    let aside = source.server.loading.as_ref().is_some_and(Loading::shows_old);
    section.field("loading", u8::from(source.server.loading.is_some() && !aside));
    section.field("async_loading", u8::from(aside));
    child(source, section);
    section.field("rdb_changes_since_last_save", source.db.dirty);
    section.field("rdb_bgsave_in_progress", u8::from(saving.is_some()));
    section.field("rdb_last_save_time", snapshots.last_save);
    section.field("rdb_last_bgsave_status", status(snapshots.last_ok));
    section.field("rdb_last_bgsave_time_sec", snapshots.last_seconds.unwrap_or(-1));
    section.field("rdb_current_bgsave_time_sec", saving.unwrap_or(-1));
    let method_of = |child: &Child| (child.purpose != Purpose::AofRewrite).then(|| child.method());
    let current = persist.child.as_ref().and_then(method_of);
    let name = |method: Option<SnapshotMethod>| method.map_or("none", Choice::name);
    section.field("rdb_current_bgsave_type", name(current));
    section.field("rdb_last_bgsave_type", name(snapshots.last_method));
    section.field("rdb_saves", snapshots.saves);
    section.field("rdb_last_cow_size", snapshots.last_copied);
    section.field("rdb_last_load_keys_expired", persist.last_load.expired);
    section.field("rdb_last_load_keys_loaded", persist.last_load.loaded);
    log(source, section);
    section.field("module_fork_in_progress", 0);
    section.field("module_fork_last_cow_size", 0);
    if source.server.config.appendonly {
        log_sizes(source, section);
    }
    if let Some(loading) = &source.server.loading {
        load_progress(loading, section);
    }
}

/// The log of commands.
fn log(source: &Source<'_>, section: &mut Section<'_>) {
    let persist = &source.server.persist;
    let (aof, rewrites) = (&persist.aof, &persist.aof.rewrites);
    let status = |ok: bool| if ok { "ok" } else { "err" };
    let child = persist.child.as_ref().filter(|child| child.purpose == Purpose::AofRewrite);
    let current = child.map(|child| child.started.elapsed().as_secs() as i64);
    section.field("aof_enabled", u8::from(aof.is_kept()));
    section.field("aof_rewrite_in_progress", u8::from(child.is_some()));
    section.field("aof_rewrite_scheduled", u8::from(rewrites.scheduled));
    section.field("aof_last_rewrite_time_sec", rewrites.last_seconds.unwrap_or(-1));
    section.field("aof_current_rewrite_time_sec", current.unwrap_or(-1));
    section.field("aof_last_bgrewrite_status", status(rewrites.last_ok));
    section.field("aof_rewrites", rewrites.count);
    section.field("aof_rewrites_consecutive_failures", rewrites.failures);
    section.field("aof_last_write_status", status(!aof.is_failing()));
    section.field("aof_last_cow_size", rewrites.last_copied);
    section.field("backup_in_progress", u8::from(persist.backup.is_in_progress()));
}

fn log_sizes(source: &Source<'_>, section: &mut Section<'_>) {
    let aof = &source.server.persist.aof;
    section.field("aof_current_size", aof.bytes());
    section.field("aof_base_size", aof.base_bytes());
    section.field("aof_pending_rewrite", u8::from(aof.rewrites.scheduled));
    section.field("aof_buffer_length", aof.writer().pending_bytes());
    section.field("aof_pending_bio_fsync", aof.writer().disk.syncs_pending());
    section.field("aof_delayed_fsync", aof.writer().delayed_syncs);
}

/// How far the child is, and what it costs.
fn child(source: &Source<'_>, section: &mut Section<'_>) {
    let persist = &source.server.persist;
    let latest = persist.child.as_ref().and_then(|child| child.latest);
    let report = latest.map(|(report, _)| report).unwrap_or_default();
    let age = latest.map_or(0, |(_, heard)| heard.elapsed().as_secs());
    let total = if persist.child.is_some() { persist.keys_to_save } else { 0 };
    section.field("current_cow_peak", report.copied_peak);
    section.field("current_cow_size", report.copied);
    section.field("current_cow_size_age", age);
    let percent = report.keys as f64 * 100.0 / total.max(1) as f64;
    section.field("current_fork_perc", format_args!("{percent:.2}"));
    if let Some(left) = progress::child_left_s(source.server) {
        section.field("current_fork_eta_seconds", left);
    }
    section.field("current_save_keys_processed", report.keys);
    section.field("current_save_keys_total", total);
    let left =
        persist.child.as_ref().zip(persist.feed.as_ref()).map(|(child, feed)| feed.seconds_left(total, child.started));
    section.field("forkless_estimated_seconds_remaining", left.map_or(-1, |seconds| seconds as i64));
}

fn load_progress(loading: &Loading, section: &mut Section<'_>) {
    section.field("loading_start_time", loading.start_time);
    section.field("loading_total_bytes", loading.total_bytes);
    section.field("loading_rdb_used_mem", loading.used_memory());
    section.field("loading_loaded_bytes", loading.loaded_bytes());
    section.field("loading_loaded_perc", format_args!("{:.2}", loading.percent()));
    section.field("loading_eta_seconds", loading.eta_seconds());
}
