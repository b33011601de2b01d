//! Keyspace events that name the fields of a hash they are about, on channels of four kinds:
//! ```text
//! __subkeyspace@<db>__:<key>                 event|length:field,length:field
//! __subkeyevent@<db>__:<event>               length:key|length:field,length:field
//! __subkeyspaceitem@<db>__:<key>\n<field>    event
//! __subkeyspaceevent@<db>__:<event>|<key>    length:field,length:field
//! ```
//! A key with a line feed in it has no channels of the third kind: they could not be told from those of another key.

use crate::config::NotifyFlags;
use crate::server::Server;
use crate::server::clients::publish::publish;
use crate::server::effects::KeyEvent;

/// Tells subscribers of an event with fields.
pub fn deliver(server: &mut Server, enabled: NotifyFlags, noted: &KeyEvent) {
    let KeyEvent { db, key, event, fields } = noted;
    let name = event.name.as_bytes();
    let list = fields.iter().map(|field| with_length(field)).collect::<Vec<_>>().join(&b","[..]);
    if enabled.contains(NotifyFlags::SUBKEYSPACE) {
        let channel = [format!("__subkeyspace@{db}__:").as_bytes(), key].concat();
        publish(server, &channel, &[name, b"|", &list].concat());
    }
    if enabled.contains(NotifyFlags::SUBKEYEVENT) {
        let channel = format!("__subkeyevent@{db}__:{}", event.name);
        publish(server, channel.as_bytes(), &[&with_length(key), &b"|"[..], &list].concat());
    }
    if enabled.contains(NotifyFlags::SUBKEYSPACE_ITEM) && !key.contains(&b'\n') {
        for field in fields {
            let channel = [format!("__subkeyspaceitem@{db}__:").as_bytes(), key, b"\n", field].concat();
            publish(server, &channel, name);
        }
    }
    if enabled.contains(NotifyFlags::SUBKEYSPACE_EVENT) {
        let channel = [format!("__subkeyspaceevent@{db}__:{}|", event.name).as_bytes(), key].concat();
        publish(server, &channel, &list);
    }
}

fn with_length(text: &[u8]) -> Vec<u8> {
    [format!("{}:", text.len()).as_bytes(), text].concat()
}
