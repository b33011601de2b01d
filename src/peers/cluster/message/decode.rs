//! Messages from bytes that anybody may have sent.

use super::*;
use crate::config::cluster::{is_word, valid_hostname, valid_ipv4, valid_ipv6};

/// The longest message: two of the longest strings there are, with all around them.
pub const MESSAGE_BYTES_MAX: usize = (1 << 30) + (1 << 20);
/// The longest from somebody who is not known: as much gossip as there may be.
pub const STRANGER_BYTES_MAX: usize = HEADER_BYTES + u16::MAX as usize * GOSSIP_BYTES + (1 << 20);
/// The longest name that a host or a node may have, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Why bytes are no message: the text for the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid(pub String);

fn invalid<T>(text: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid(text.into()))
}

/// How long the message is that these bytes begin; `None` while too few have come to tell.
///
/// # Errors
/// When they begin none: there is no telling where the next one would be.
pub fn length(bytes: &[u8], max: usize) -> Result<Option<usize>, Invalid> {
    let seen = bytes.len().min(SIGNATURE.len());
    let length =
        bytes.get(4..8).and_then(|length| length.try_into().ok()).map(|length| u32::from_be_bytes(length) as usize);
    let is_odd = length.is_some_and(|length| !(LIGHT_HEADER_BYTES..=max).contains(&length));
    if bytes[..seen] != SIGNATURE[..seen] || is_odd {
        return invalid("Bad message length or signature received from Cluster bus.");
    }
    Ok(length)
}

/// The kind of message that these bytes say they are, whether or not they are one.
pub fn kind(bytes: &[u8]) -> Option<Kind> {
    let number = u16::from_be_bytes(bytes.get(12..14)?.try_into().ok()?);
    Kind::ALL.get(usize::from(number & !LIGHT)).copied()
}

/// The message that these bytes are, from the first to the last.
///
/// # Errors
/// When they are none: it is to be passed over.
pub fn decode(bytes: &[u8]) -> Result<Packet, Invalid> {
    let mut reader = Reader(bytes);
    reader.skip(SIGNATURE.len() + 4)?;
    let version = reader.u16()?;
    if version != VERSION {
        return invalid(format!("Received a message of version {version} from Cluster bus."));
    }
    let port = reader.u16()?;
    let number = reader.u16()?;
    let Some(kind) = Kind::ALL.get(usize::from(number & !LIGHT)).copied() else {
        return invalid(format!("Received unknown packet type: {number}"));
    };
    let gossip = reader.u16()?;
    if number & LIGHT != 0 {
        if !matches!(kind, Kind::Publish | Kind::PublishShard) {
            return invalid(format!("Received a {kind} packet with a light header"));
        }
        return Ok(Packet::Light(body(reader, kind, bytes.len(), 0, 0)?));
    }
    let (header, extensions) = header(&mut reader, port)?;
    let extensions = if header.marks.has(Marks::EXTENSIONS) { extensions } else { 0 };
    let body = body(reader, kind, bytes.len(), gossip, extensions)?;
    Ok(Packet::Whole(Box::new(Message { header, body })))
}

/// What has not been read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Invalid> {
        let Some((taken, rest)) = self.0.split_at_checked(length) else {
            return invalid("Received a message from Cluster bus that is too short.");
        };
        self.0 = rest;
        Ok(taken)
    }

    fn skip(&mut self, length: usize) -> Result<(), Invalid> {
        self.take(length).map(|_| ())
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Invalid> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| Invalid(String::new()))
    }

    fn u16(&mut self) -> Result<u16, Invalid> {
        self.array().map(|bytes| u16::from_be_bytes(*bytes))
    }

    fn u32(&mut self) -> Result<u32, Invalid> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    fn u64(&mut self) -> Result<u64, Invalid> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    fn id(&mut self) -> Result<NodeId, Invalid> {
        let bytes = self.take(NodeId::BYTES)?;
        NodeId::from_bytes(bytes).ok_or_else(|| Invalid("Received a message with an invalid node name.".to_owned()))
    }

    /// An address, zeros behind it.
    fn ip(&mut self) -> Result<String, Invalid> {
        let bytes: &[u8; IP_BYTES] = self.array()?;
        let ip = text(bytes).filter(|ip| ip.len() < IP_BYTES);
        ip.ok_or_else(|| Invalid("Received a message with an invalid address.".to_owned()))
    }
}

/// The text before the first zero, if it can stand in `nodes.conf`.
fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = str::from_utf8(&bytes[..end]).ok()?;
    text.bytes().all(is_word).then(|| text.to_owned())
}

/// The header behind its first 16 bytes, and how many extensions it announces.
fn header(reader: &mut Reader<'_>, port: u16) -> Result<(Header, u16), Invalid> {
    let (current_epoch, config_epoch, offset) = (reader.u64()?, reader.u64()?, reader.u64()? as i64);
    let sender = reader.id()?;
    let slots = SlotSet::from_bytes(reader.array()?);
    let primary = if reader.0.starts_with(&[0; NodeId::BYTES]) {
        reader.skip(NodeId::BYTES)?;
        None
    } else {
        Some(reader.id()?)
    };
    let ip = reader.ip()?;
    let extensions = reader.u16()?;
    reader.skip(30)?;
    let (other_port, bus_port, flags) = (reader.u16()?, reader.u16()?, Flags(reader.u16()?));
    let [is_down, marks @ ..] = *reader.array::<4>()?;
    let address = Address { ip, port, other_port, bus_port };
    let (is_down, marks) = (is_down != 0, Marks(marks));
    Ok((
        Header { sender, current_epoch, config_epoch, offset, slots, primary, address, flags, is_down, marks },
        extensions,
    ))
}

fn body(mut reader: Reader<'_>, kind: Kind, total: usize, gossip: u16, extensions: u16) -> Result<Body, Invalid> {
    let ping = |kind: PingKind, reader: &mut Reader<'_>| -> Result<Body, Invalid> {
        if reader.0.len() < usize::from(gossip) * GOSSIP_BYTES {
            return invalid(format!(
                "Received invalid ping packet with gossip count {gossip} that exceeds total packet length ({total})"
            ));
        }
        let gossip = (0..gossip).map(|_| entry(reader)).collect::<Result<_, _>>()?;
        let extensions = (0..extensions).map(|_| extension(reader)).collect::<Result<_, _>>()?;
        Ok(Body::Ping { kind, gossip, extensions })
    };
    let body = match kind {
        Kind::Ping => ping(PingKind::Ping, &mut reader)?,
        Kind::Pong => ping(PingKind::Pong, &mut reader)?,
        Kind::Meet => ping(PingKind::Meet, &mut reader)?,
        Kind::Fail => Body::Fail(reader.id()?),
        Kind::Publish | Kind::PublishShard => {
            let (channel, message) = (reader.u32()? as usize, reader.u32()? as usize);
            let (channel, message) = (reader.take(channel)?.to_vec(), reader.take(message)?.to_vec());
            Body::Publish { to_shard: kind == Kind::PublishShard, channel, message }
        }
        Kind::AuthRequest => Body::AuthRequest,
        Kind::AuthAck => Body::AuthAck,
        Kind::Update => {
            let (config_epoch, id) = (reader.u64()?, reader.id()?);
            Body::Update { config_epoch, id, slots: SlotSet::from_bytes(reader.array()?) }
        }
        Kind::ManualStart => Body::ManualStart,
        Kind::Module => {
            let module = *reader.array()?;
            let length = reader.u32()? as usize;
            let [kind] = *reader.array()?;
            Body::Module { module, kind, payload: reader.take(length)?.to_vec() }
        }
    };
    match reader.0.len() {
        0 => Ok(body),
        left => {
            invalid(format!("Received invalid {kind} packet of length {total} but expected length {}", total - left))
        }
    }
}

fn entry(reader: &mut Reader<'_>) -> Result<Gossip, Invalid> {
    let id = reader.id()?;
    let (ping_sent_s, pong_received_s) = (reader.u32()?, reader.u32()?);
    let ip = reader.ip()?;
    let (port, bus_port, flags, other_port) = (reader.u16()?, reader.u16()?, Flags(reader.u16()?), reader.u16()?);
    reader.skip(2)?;
    Ok(Gossip { id, ping_sent_s, pong_received_s, address: Address { ip, port, other_port, bus_port }, flags })
}

fn extension(reader: &mut Reader<'_>) -> Result<Extension, Invalid> {
    let length = reader.u32()? as usize;
    let kind = reader.u16()?;
    reader.skip(2)?;
    if length < EXTENSION_HEADER_BYTES || !length.is_multiple_of(8) {
        return invalid(format!("Received a ping packet without proper padding ({length} bytes)"));
    }
    let data = reader.take(length - EXTENSION_HEADER_BYTES)?;
    Ok(known_extension(kind, data).unwrap_or_else(|| Extension::Other { kind, data: data.to_vec() }))
}

/// What is known of and sound.
fn known_extension(kind: u16, data: &[u8]) -> Option<Extension> {
    let name = || text(data).filter(|name| data.last() == Some(&0) && name.len() <= NAME_BYTES_MAX);
    let port = || data.first_chunk().map(|port| u16::from_be_bytes(*port));
    match kind {
        0 => name().filter(|name| valid_hostname(name).is_ok()).map(Extension::Hostname),
        1 => name().map(Extension::HumanName),
        2 => {
            let (id, seconds) = data.split_at_checked(NodeId::BYTES)?;
            let seconds = u64::from_be_bytes(seconds.try_into().ok()?);
            Some(Extension::Forgotten { id: NodeId::from_bytes(id)?, seconds })
        }
        3 => NodeId::from_bytes(data).map(Extension::Shard),
        4 => name().filter(|ip| valid_ipv4(ip).is_ok()).map(Extension::ClientIpv4),
        5 => name().filter(|ip| valid_ipv6(ip).is_ok()).map(Extension::ClientIpv6),
        6 => port().map(Extension::ClientPort),
        7 => port().map(Extension::ClientTlsPort),
        _ => None,
    }
}
