//! Saving a stream: its blocks, its counters, its groups.

use super::super::write::Writer;
use crate::types::Stream;
use crate::types::stream::{Group, StreamId};

/// Saves a stream.
pub fn save(stream: &Stream, out: &mut Writer<'_>) {
    let log = stream.log();
    out.length(log.block_count() as u64);
    for (first, pack) in log.blocks() {
        out.bytes_string(&id_bytes(first));
        out.bytes_string(pack);
    }
    out.length(log.len());
    id(log.last_id, out);
    id(log.first_id(), out);
    id(log.max_deleted_id, out);
    out.length(log.entries_added);
    out.length(stream.groups().len() as u64);
    for (name, group) in stream.groups().iter() {
        out.string(name);
        save_group(group, out);
    }
}

fn save_group(group: &Group, out: &mut Writer<'_>) {
    id(group.last_id, out);
    // Not known is the greatest of all numbers.
    out.length(group.entries_read.unwrap_or(u64::MAX));
    out.length(group.pending_len() as u64);
    for (entry, delivery) in group.pending(StreamId::MIN) {
        out.raw(&id_bytes(entry));
        out.time_ms(delivery.time_ms);
        out.length(delivery.count as u64);
    }
    out.length(group.consumers().len() as u64);
    for (number, consumer) in group.consumers() {
        out.string(&consumer.name);
        out.time_ms(consumer.seen_ms);
        out.length(consumer.pending_len() as u64);
        for (entry, _) in group.pending_of(number, StreamId::MIN) {
            out.raw(&id_bytes(entry));
        }
    }
}

fn id(id: StreamId, out: &mut Writer<'_>) {
    out.length(id.ms);
    out.length(id.seq);
}

/// An id in the form that sorts like ids do.
fn id_bytes(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}
