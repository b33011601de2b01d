//! Messages as bytes.

use super::*;

impl Packet {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Packet::Whole(message) => message.encode(),
            Packet::Light(body) => {
                let mut bytes = vec![0; LIGHT_HEADER_BYTES];
                body.write(&mut bytes);
                finish(bytes, body.kind() as u16 | LIGHT)
            }
        }
    }
}

impl Message {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        self.header.write(&mut bytes);
        let mut marks = self.header.marks;
        if let Body::Ping { gossip, extensions, .. } = &self.body {
            put(&mut bytes, 14, &(gossip.len() as u16).to_be_bytes());
            put(&mut bytes, 2214, &(extensions.len() as u16).to_be_bytes());
            if !extensions.is_empty() {
                marks.set(Marks::EXTENSIONS);
            }
        }
        put(&mut bytes, 2253, &marks.0);
        self.body.write(&mut bytes);
        finish(bytes, self.body.kind() as u16)
    }
}

/// Writes what both headers have.
fn finish(mut bytes: Vec<u8>, kind: u16) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    put(&mut bytes, 0, SIGNATURE);
    put(&mut bytes, 4, &length.to_be_bytes());
    put(&mut bytes, 8, &VERSION.to_be_bytes());
    put(&mut bytes, 12, &kind.to_be_bytes());
    bytes
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    bytes[at..at + part.len()].copy_from_slice(part);
}

/// Writes a text that ends with a zero, as much of it as there is room for.
fn put_text(bytes: &mut [u8], at: usize, room: usize, text: &str) {
    let length = text.len().min(room - 1);
    put(bytes, at, &text.as_bytes()[..length]);
}

impl Header {
    fn write(&self, bytes: &mut [u8]) {
        put(bytes, 10, &self.address.port.to_be_bytes());
        put(bytes, 16, &self.current_epoch.to_be_bytes());
        put(bytes, 24, &self.config_epoch.to_be_bytes());
        put(bytes, 32, &self.offset.to_be_bytes());
        put(bytes, 40, self.sender.as_bytes());
        put(bytes, 80, self.slots.to_bytes());
        if let Some(primary) = &self.primary {
            put(bytes, 2128, primary.as_bytes());
        }
        put_text(bytes, 2168, IP_BYTES, &self.address.ip);
        put(bytes, 2246, &self.address.other_port.to_be_bytes());
        put(bytes, 2248, &self.address.bus_port.to_be_bytes());
        put(bytes, 2250, &self.flags.0.to_be_bytes());
        bytes[2252] = self.is_down.into();
    }
}

impl Body {
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Body::Ping { gossip, extensions, .. } => {
                gossip.iter().for_each(|entry| entry.write(bytes));
                extensions.iter().for_each(|extension| extension.write(bytes));
            }
            Body::Fail(id) => bytes.extend(id.as_bytes()),
            Body::Publish { channel, message, .. } => {
                bytes.extend((channel.len() as u32).to_be_bytes());
                bytes.extend((message.len() as u32).to_be_bytes());
                bytes.extend(channel);
                bytes.extend(message);
            }
            Body::AuthRequest | Body::AuthAck | Body::ManualStart => {}
            Body::Update { config_epoch, id, slots } => {
                bytes.extend(config_epoch.to_be_bytes());
                bytes.extend(id.as_bytes());
                bytes.extend(slots.to_bytes());
            }
            Body::Module { module, kind, payload } => {
                bytes.extend(module);
                bytes.extend((payload.len() as u32).to_be_bytes());
                bytes.push(*kind);
                bytes.extend(payload);
            }
        }
    }
}

impl Gossip {
    fn write(&self, bytes: &mut Vec<u8>) {
        let at = bytes.len();
        bytes.resize(at + GOSSIP_BYTES, 0);
        let entry = &mut bytes[at..];
        put(entry, 0, self.id.as_bytes());
        put(entry, 40, &self.ping_sent_s.to_be_bytes());
        put(entry, 44, &self.pong_received_s.to_be_bytes());
        put_text(entry, 48, IP_BYTES, &self.address.ip);
        put(entry, 94, &self.address.port.to_be_bytes());
        put(entry, 96, &self.address.bus_port.to_be_bytes());
        put(entry, 98, &self.flags.0.to_be_bytes());
        put(entry, 100, &self.address.other_port.to_be_bytes());
    }
}

/// Adds a text and a zero, of an extension of this kind.
fn put_whole(bytes: &mut Vec<u8>, text: &str, kind: u16) -> u16 {
    bytes.extend(text.as_bytes());
    bytes.push(0);
    kind
}

impl Extension {
    fn write(&self, bytes: &mut Vec<u8>) {
        let at = bytes.len();
        bytes.extend([0; EXTENSION_HEADER_BYTES]);
        let kind: u16 = match self {
            Extension::Hostname(text) => put_whole(bytes, text, 0),
            Extension::HumanName(text) => put_whole(bytes, text, 1),
            Extension::Forgotten { id, seconds } => {
                bytes.extend(id.as_bytes());
                bytes.extend(seconds.to_be_bytes());
                2
            }
            Extension::Shard(id) => {
                bytes.extend(id.as_bytes());
                3
            }
            Extension::ClientIpv4(text) => put_whole(bytes, text, 4),
            Extension::ClientIpv6(text) => put_whole(bytes, text, 5),
            Extension::ClientPort(port) => {
                bytes.extend(port.to_be_bytes());
                6
            }
            Extension::ClientTlsPort(port) => {
                bytes.extend(port.to_be_bytes());
                7
            }
            Extension::Other { kind, data } => {
                bytes.extend(data);
                *kind
            }
        };
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let length = (bytes.len() - at) as u32;
        put(bytes, at, &length.to_be_bytes());
        put(bytes, at + 4, &kind.to_be_bytes());
    }
}
