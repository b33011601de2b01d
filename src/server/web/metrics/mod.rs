//! Metrics: every number of INFO and more, under the names that dashboards made for `redis_exporter` know.
//!
//! | what | names | from |
//! |---|---|---|
//! | numbers of INFO | `redis_…`, see [`fields`] | the text of INFO itself, so that none is missing |
//! | who this is | `redis_instance_info`, `redis_up`, `redis_start_time_seconds`, `redis_config_…` | [`parts`] |
//! | databases | `redis_db_keys`, `_expiring`, `_with_expiring_items`, `redis_db_avg_ttl_seconds` by `db` | [`parts`] |
//! | replication | `redis_connected_slave_…` by `slave_ip`, `slave_port`, `slave_state`; `redis_master_…`, `redis_slave_…` by `master_host`, `master_port` | [`parts`] |
//! | cluster | `redis_cluster_…` as in CLUSTER INFO, `oxidis_cluster_messages_total` by `kind` and `way` | [`parts`] |
//! | commands | `redis_commands_total`, `_duration_seconds_total`, `_rejected_calls_total`, `_failed_calls_total`, `_slowlog_…` by `cmd` | [`commands`] |
//! | latency | `redis_commands_latencies_usec` (a histogram), `redis_latency_percentiles_usec` (a summary), by `cmd` | [`commands`] |
//! | errors, spikes, slow log | `redis_errors_total` by `err`, `redis_latency_spike_…` by `event_name`, `redis_slowlog_…` | [`parts`] |
//! | what the exporter lacks | `oxidis_…`: hit ratio, parts of the event loop's time, ages of snapshot and log, sizes of values | [`parts`], [`sizes`] |
//!
//! The exporter's names are kept where they break Prometheus's rules of style. Only the text format of OpenMetrics
//! has rules they cannot break: there a counter whose name does not end in `_total` has no type.
//!
//! Labels are bounded: by the commands and errors there are, by [`parts::DATABASES_MAX`] and
//! [`parts::REPLICAS_MAX`]. No key is ever a label.

pub mod commands;
pub mod exposition;
pub mod fields;
pub mod parts;
pub mod scrape;
pub mod sizes;
