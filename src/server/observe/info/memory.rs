//! Where the memory goes: INFO memory, and the figures behind MEMORY STATS and MEMORY DOCTOR.
//!
//! The allocator does not tell how much of its memory it holds in reserve, so all that is resident beyond what is in
//! use counts as its fragmentation. Tables grow bucket by bucket, so that none has a second one while it does.

use super::section::{Section, Source, human};
use crate::config::Choice;
use crate::peers::repl::main_channel::MainChannel;
use crate::types::hash::template_figures;
use crate::util::{alloc, platform};

/// The parts of the memory in use, in bytes.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// In use.
    pub used: usize,
    /// The most that was ever seen in use.
    pub peak: usize,
    /// When that was, in Unix milliseconds.
    pub peak_ms: i64,
    /// In use when the server was ready.
    pub startup: usize,
    /// Resident.
    pub resident: usize,
    /// Buffers and state of the clients.
    pub clients: usize,
    /// Tables of each database that has keys: its number, that of keys, that of expiring keys.
    pub tables: Vec<(usize, usize, usize)>,
    /// Keys in all databases.
    pub keys: usize,
    /// The stream of changes, kept for replicas that come back,
    pub backlog: usize,
    /// and for those that lag.
    pub replicas: usize,
    /// What is not data: the server as it started, clients, tables, the stream of changes.
    pub overhead: usize,
    /// Keys and values.
    pub dataset: usize,
}

impl Overview {
    /// Takes the figures.
    pub fn of(source: &Source<'_>) -> Overview {
        let used = alloc::used_memory();
        let stats = &source.server.stats;
        let (peak, peak_ms) = match used > stats.peak_memory {
            true => (used, source.server.clock.unix_ms()),
            false => (stats.peak_memory, stats.peak_memory_ms),
        };
        let databases = (0..source.db.count()).map(|index| (index, &source.db.database(index).dict));
        let tables: Vec<_> = databases
            .clone()
            .filter(|(_, dict)| !dict.is_empty())
            .map(|(index, dict)| (index, dict.overheads().0, dict.overheads().1))
            .collect();
        let clients = source.server.clients.memory_seen();
        let startup = source.server.startup_memory;
        let in_tables: usize = tables.iter().map(|(_, keys, expires)| keys + expires).sum();
        let (backlog, replicas) = source.server.repl.memory();
        let overhead = startup + clients + in_tables + backlog + replicas;
        Overview {
            used,
            peak,
            peak_ms,
            startup,
            resident: platform::resident_memory().unwrap_or(peak),
            clients,
            keys: databases.map(|(_, dict)| dict.len()).sum(),
            tables,
            backlog,
            replicas,
            overhead,
            dataset: used.saturating_sub(overhead),
        }
    }

    /// Share of the data set in what is in use beyond the start, in per cent.
    pub fn dataset_percent(&self) -> f64 {
        percent(self.dataset, self.used.saturating_sub(self.startup))
    }

    /// Share of the peak that is in use, in per cent.
    pub fn peak_percent(&self) -> f64 {
        percent(self.used, self.peak)
    }

    /// Resident memory per memory in use.
    pub fn fragmentation(&self) -> f64 {
        self.resident as f64 / self.used.max(1) as f64
    }

    /// Resident memory beyond what is in use.
    pub fn fragmentation_bytes(&self) -> i64 {
        self.resident as i64 - self.used as i64
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// What scripts and functions take: the interpreters, and the texts.
fn script_fields(source: &Source<'_>, section: &mut Section<'_>) {
    let script = &source.server.script;
    let (scripts, functions) = (script.scripts_memory(), script.functions_memory());
    let (script_texts, function_texts) = (script.cache.bytes(), script.libraries.bytes());
    section.field("used_memory_lua", scripts);
    section.field("used_memory_vm_eval", scripts);
    section.field("used_memory_lua_human", human(scripts));
    section.field("used_memory_scripts_eval", script_texts);
    section.field("number_of_cached_scripts", script.cache.len());
    section.field("number_of_functions", script.libraries.functions_len());
    section.field("number_of_libraries", script.libraries.len());
    section.field("used_memory_vm_functions", functions);
    section.field("used_memory_vm_total", scripts + functions);
    section.field("used_memory_vm_total_human", human(scripts + functions));
    section.field("used_memory_functions", function_texts);
    section.field("used_memory_scripts", script_texts + function_texts);
    section.field("used_memory_scripts_human", human(script_texts + function_texts));
}

/// The section of INFO.
pub fn section(source: &Source<'_>, section: &mut Section<'_>) {
    let memory = Overview::of(source);
    let config = &source.server.config;
    let ratio = |value: f64| format!("{value:.2}");
    let total = platform::total_memory();
    let limit = usize::try_from(config.maxmemory).unwrap_or(usize::MAX);
    section.field("used_memory", memory.used);
    section.field("used_memory_human", human(memory.used));
    section.field("used_memory_rss", memory.resident);
    section.field("used_memory_rss_human", human(memory.resident));
    section.field("used_memory_peak", memory.peak);
    section.field("used_memory_peak_human", human(memory.peak));
    section.field("used_memory_peak_time", memory.peak_ms / 1000);
    section.field("used_memory_peak_perc", format_args!("{:.2}%", memory.peak_percent()));
    section.field("used_memory_overhead", memory.overhead);
    section.field("used_memory_startup", memory.startup);
    section.field("used_memory_dataset", memory.dataset);
    section.field("used_memory_dataset_perc", format_args!("{:.2}%", memory.dataset_percent()));
    section.field("allocator_allocated", memory.used);
    section.field("allocator_active", memory.resident);
    section.field("allocator_resident", memory.resident);
    section.field("allocator_muzzy", 0);
    section.field("total_system_memory", total);
    section.field("total_system_memory_human", human(total));
    script_fields(source, section);
    section.field("used_memory_hash_templates", template_figures().bytes);
    section.field("maxmemory", config.maxmemory);
    section.field("maxmemory_human", human(limit));
    section.field("maxmemory_policy", config.maxmemory_policy.name());
    let dicts = (0..source.db.count()).map(|index| &source.db.database(index).dict);
    section.field("blessed_keys", dicts.map(|dict| dict.blessed().len()).sum::<usize>());
    section.field("allocator_frag_ratio", ratio(memory.fragmentation()));
    section.field("allocator_frag_bytes", memory.fragmentation_bytes());
    section.field("allocator_rss_ratio", ratio(1.0));
    section.field("allocator_rss_bytes", 0);
    section.field("rss_overhead_ratio", ratio(1.0));
    section.field("rss_overhead_bytes", 0);
    section.field("mem_fragmentation_ratio", ratio(memory.fragmentation()));
    section.field("mem_fragmentation_bytes", memory.fragmentation_bytes());
    section.field("mem_not_counted_for_evict", source.server.not_counted_for_evict(source.db));
    section.field("mem_replication_backlog", memory.backlog);
    section.field("mem_total_replication_buffers", memory.backlog + memory.replicas);
    let main = source.server.repl.link.main.as_ref();
    section.field("mem_replica_full_sync_buffer", main.map_or(0, MainChannel::kept_bytes));
    section.field("mem_clients_slaves", memory.replicas);
    section.field("mem_clients_normal", memory.clients);
    section.field("mem_cluster_links", source.server.bus.memory());
    let moves = &source.server.moves;
    let output = moves.export.as_ref().map_or(0, |work| work.waiting_bytes(&source.server.clients));
    let input = moves.input_bytes();
    section.field("mem_cluster_slot_migration_output_buffer", output);
    section.field("mem_cluster_slot_migration_input_buffer", input);
    section.field("mem_cluster_slot_migration_input_buffer_peak", input.max(moves.input_peak));
    section.field("mem_aof_buffer", source.server.persist.aof.writer().buffer_bytes());
    section.field("mem_allocator", "mimalloc");
    section.field("mem_overhead_db_hashtable_rehashing", 0);
    section.field("active_defrag_running", 0);
    section.field("lazyfree_pending_objects", source.db.lazyfree.pending());
    section.field("lazyfreed_objects", source.db.lazyfree.freed());
}
