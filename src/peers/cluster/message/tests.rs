//! Messages of every kind there and back, and what is none.

use proptest::prelude::*;

use super::decode::{MESSAGE_BYTES_MAX, decode, length};
use super::*;
use crate::util::random::Random;

fn id(seed: u64) -> NodeId {
    NodeId::random(&mut Random::from_seed(seed))
}

fn address() -> impl Strategy<Value = Address> {
    let ip = prop_oneof![Just(String::new()), "[0-9]{1,3}\\.0\\.0\\.1", "[0-9a-f:]{1,45}"];
    (ip, any::<u16>(), any::<u16>(), any::<u16>()).prop_map(|(ip, port, other_port, bus_port)| Address {
        ip,
        port,
        other_port,
        bus_port,
    })
}

fn slots() -> impl Strategy<Value = SlotSet> {
    proptest::collection::vec(0..16384u16, 0..40).prop_map(|slots| slots.into_iter().collect())
}

fn gossip() -> impl Strategy<Value = Gossip> {
    (any::<u64>(), any::<u32>(), any::<u32>(), address(), any::<u16>()).prop_map(
        |(seed, ping_sent_s, pong_received_s, address, flags)| Gossip {
            id: id(seed),
            ping_sent_s,
            pong_received_s,
            address,
            flags: Flags(flags),
        },
    )
}

fn extension() -> impl Strategy<Value = Extension> {
    prop_oneof![
        "[a-z0-9.-]{0,255}".prop_map(Extension::Hostname),
        "[a-zA-Z0-9é_-]{0,40}".prop_map(Extension::HumanName),
        (any::<u64>(), any::<u64>()).prop_map(|(seed, seconds)| Extension::Forgotten { id: id(seed), seconds }),
        any::<u64>().prop_map(|seed| Extension::Shard(id(seed))),
        any::<[u8; 4]>().prop_map(|ip| Extension::ClientIpv4(std::net::Ipv4Addr::from(ip).to_string())),
        any::<[u8; 16]>().prop_map(|ip| Extension::ClientIpv6(std::net::Ipv6Addr::from(ip).to_string())),
        any::<u16>().prop_map(Extension::ClientPort),
        any::<u16>().prop_map(Extension::ClientTlsPort),
        (8..1000u16, 0..9usize).prop_map(|(kind, words)| Extension::Other { kind, data: vec![7; words * 8] }),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    let kind = prop_oneof![Just(PingKind::Ping), Just(PingKind::Pong), Just(PingKind::Meet)];
    let bytes = || proptest::collection::vec(any::<u8>(), 0..100);
    prop_oneof![
        (kind, proptest::collection::vec(gossip(), 0..5), proptest::collection::vec(extension(), 0..4))
            .prop_map(|(kind, gossip, extensions)| Body::Ping { kind, gossip, extensions }),
        any::<u64>().prop_map(|seed| Body::Fail(id(seed))),
        (any::<bool>(), bytes(), bytes()).prop_map(|(to_shard, channel, message)| Body::Publish {
            to_shard,
            channel,
            message
        }),
        Just(Body::AuthRequest),
        Just(Body::AuthAck),
        Just(Body::ManualStart),
        (any::<u64>(), any::<u64>(), slots()).prop_map(|(config_epoch, seed, slots)| Body::Update {
            config_epoch,
            id: id(seed),
            slots
        }),
        (any::<[u8; 8]>(), any::<u8>(), bytes()).prop_map(|(module, kind, payload)| Body::Module {
            module,
            kind,
            payload
        }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let numbers = (any::<u64>(), any::<u64>(), any::<i64>(), any::<u64>(), any::<Option<u64>>());
    (numbers, slots(), address(), any::<u16>(), any::<bool>(), any::<[u8; 3]>(), body()).prop_map(
        |((current_epoch, config_epoch, offset, sender, primary), slots, address, flags, is_down, marks, body)| {
            let mut marks = Marks(marks);
            marks.set(Marks::EXTENSIONS);
            let (sender, primary, flags) = (id(sender), primary.map(id), Flags(flags));
            let header =
                Header { sender, current_epoch, config_epoch, offset, slots, primary, address, flags, is_down, marks };
            Message { header, body }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_message_is_read_as_it_was_written(message in message()) {
        let bytes = message.encode();
        prop_assert_eq!(length(&bytes, MESSAGE_BYTES_MAX), Ok(Some(bytes.len())));
        prop_assert_eq!(decode(&bytes), Ok(Packet::Whole(Box::new(message.clone()))));
        if matches!(message.body, Body::Publish { .. }) {
            let packet = Packet::Light(message.body);
            let light = packet.encode();
            prop_assert_eq!(light.len(), bytes.len() - HEADER_BYTES + LIGHT_HEADER_BYTES);
            prop_assert_eq!(decode(&light), Ok(packet));
        }
    }

    #[test]
    fn a_message_that_is_cut_off_or_too_long_is_none(message in message(), cut in any::<usize>()) {
        let mut bytes = message.encode();
        let cut = cut % bytes.len();
        prop_assert!(decode(&bytes[..cut]).is_err());
        bytes.push(0);
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn no_bytes_make_the_reader_panic_or_believe_a_length(
        message in message(),
        flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..8),
        numbers in proptest::collection::vec((0..8usize, any::<u16>()), 0..3),
    ) {
        let mut bytes = message.encode();
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        // Where counts and lengths stand.
        for (place, number) in numbers {
            let at = [4, 6, 12, 14, 2214, 2256, 2260, 2264][place];
            if let Some(room) = bytes.get_mut(at..at + 2) {
                room.copy_from_slice(&number.to_be_bytes());
            }
        }
        length(&bytes, MESSAGE_BYTES_MAX).ok();
        if let Ok(Packet::Whole(message)) = decode(&bytes) {
            prop_assert!(message.encode().len() <= bytes.len());
        }
    }
}

#[test]
fn fields_stand_where_redis_has_them() {
    let header = Header {
        sender: id(1),
        current_epoch: 0x0102_0304_0506_0708,
        config_epoch: 9,
        offset: 10,
        slots: [0, 9, 16383].into_iter().collect(),
        primary: Some(id(2)),
        address: Address { ip: "10.0.0.1".to_owned(), port: 7000, other_port: 7001, bus_port: 17000 },
        flags: Flags(0x0111),
        is_down: true,
        marks: Marks([1, 2, 3]),
    };
    let bytes = Message { header, body: Body::Fail(id(3)) }.encode();
    assert_eq!(bytes.len(), 2256 + 40);
    assert_eq!(&bytes[..16], b"RCmb\0\0\x08\xf8\0\x01\x1b\x58\0\x03\0\0");
    assert_eq!(&bytes[16..40], b"\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x0a");
    assert_eq!(&bytes[40..80], id(1).as_bytes());
    assert_eq!((bytes[80], bytes[81], bytes[2127]), (1, 2, 0x80));
    assert_eq!(&bytes[2128..2168], id(2).as_bytes());
    assert_eq!(&bytes[2168..2177], b"10.0.0.1\0");
    assert_eq!(&bytes[2246..2256], b"\x1b\x59\x42\x68\x01\x11\x01\x01\x02\x03");
}

#[test]
fn what_begins_no_message_is_refused_at_once() {
    assert_eq!(length(b"", 100), Ok(None));
    assert_eq!(length(b"RCm", 100), Ok(None));
    assert_eq!(length(b"RCmb\0\0\0", 100), Ok(None));
    assert_eq!(length(b"RCmb\0\0\0\x64", 100), Ok(Some(100)));
    for wrong in [&b"GET"[..], b"R\0", b"RCmb\0\0\0\x65", b"RCmb\0\0\0\x0f", b"RCmb\xff\xff\xff\xff", b"rcmb\0\0\0\x64"]
    {
        assert!(length(wrong, 100).is_err(), "{wrong:?}");
    }
}

#[test]
fn messages_of_other_versions_and_unknown_kinds_are_told() {
    let header = |version: u8, kind: [u8; 2]| {
        let mut bytes = b"RCmb\0\0\x08\xd0\0\0\0\0\0\0\0\0".to_vec();
        (bytes[9], bytes[12], bytes[13]) = (version, kind[0], kind[1]);
        bytes.resize(HEADER_BYTES, b'a');
        decode(&bytes).expect_err("no message").0
    };
    assert_eq!(header(2, [0, 0]), "Received a message of version 2 from Cluster bus.");
    assert_eq!(header(1, [0, 11]), "Received unknown packet type: 11");
    assert_eq!(header(1, [0x80, 0]), "Received a ping packet with a light header");
}

/// What Redis 7.0 itself sends: a node of it is told to meet this test, which answers as a node would.
#[test]
fn what_a_node_of_redis_sends_is_written_again_byte_for_byte() {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    struct Redis(Child);
    impl Drop for Redis {
        fn drop(&mut self) {
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }
    const PATIENCE: Duration = Duration::from_secs(60);
    let program = std::env::var_os("OXIDIS_REDIS").unwrap_or_else(|| "redis-server".into());
    let bus = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let own_port = bus.local_addr().expect("an address").port();
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    let (port, bus_port) = (free().to_string(), free().to_string());
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["--port", &port, "--cluster-port", &bus_port, "--cluster-enabled", "yes", "--save", ""];
    let redis = Command::new(program).args(arguments).current_dir(folder.path()).stdout(Stdio::null()).spawn();
    let Ok(redis) = redis.map(Redis) else { return eprintln!("there is no redis-server to compare with") };
    let begun = Instant::now();
    let mut client = loop {
        match TcpStream::connect(format!("127.0.0.1:{port}")) {
            Ok(client) => break client,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    for command in [
        "CONFIG SET cluster-announce-hostname host.example".to_owned(),
        "CLUSTER ADDSLOTS 0 1 2 16383".to_owned(),
        format!("CLUSTER MEET 127.0.0.1 1 {own_port}"),
    ] {
        client.write_all(format!("{command}\r\n").as_bytes()).expect("a server that listens");
        let mut answer = [0; 5];
        client.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"+OK\r\n", "{command}");
    }
    let (mut link, _) = bus.accept().expect("a node that comes");
    link.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut kinds = Vec::new();
    while !kinds.contains(&Kind::Ping) {
        let mut bytes = vec![0; 8];
        link.read_exact(&mut bytes).expect("the head of a message");
        let length = length(&bytes, MESSAGE_BYTES_MAX).expect("a message").expect("its length");
        bytes.resize(length, 0);
        link.read_exact(&mut bytes[8..]).expect("the rest of it");
        let Ok(Packet::Whole(message)) = decode(&bytes) else { panic!("not understood: {bytes:?}") };
        assert_eq!(message.encode(), bytes);
        assert_eq!(message.header.slots.ranges(), [(0, 2), (16383, 16383)]);
        assert_eq!(message.header.address.port.to_string(), port);
        assert_eq!(message.header.address.bus_port.to_string(), bus_port);
        let Body::Ping { extensions, .. } = &message.body else { panic!("{message:?}") };
        assert_eq!(*extensions, [Extension::Hostname("host.example".to_owned())]);
        kinds.push(message.body.kind());
        // This is how a node answers.
        let header = Header { sender: id(9), slots: SlotSet::default(), flags: Flags::PRIMARY, ..message.header };
        let body = Body::Ping { kind: PingKind::Pong, gossip: Vec::new(), extensions: Vec::new() };
        link.write_all(&Message { header, body }.encode()).expect("a node that listens");
    }
    assert_eq!(kinds[0], Kind::Meet);
    drop(redis);
}
