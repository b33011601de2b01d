//! RESP, the Redis serialization protocol, versions 2 and 3.
//!
//! # The protocol in one page
//!
//! Everything on the wire is a *value*: one type byte, then a line or a length, each line ended by CR LF.
//! There are three shapes:
//!
//! ```text
//! line        +OK\r\n    -ERR no such key\r\n    :42\r\n    ,3.14\r\n    #t\r\n    (12345678901234567890\r\n    _\r\n
//! bulk        $5\r\nhello\r\n        =9\r\ntxt:hello\r\n        !9\r\nERR wrong\r\n
//! aggregate   *2\r\n$3\r\nGET\r\n$3\r\nkey\r\n      %1\r\n+size\r\n:3\r\n      ~0\r\n      >2\r\n…      |1\r\n…
//! ```
//!
//! A *line* carries short text without CR or LF. A *bulk* announces its length in bytes, so it may carry
//! anything. An *aggregate* announces how many values follow (a map and an attribute: how many pairs).
//!
//! RESP2 knows `+ - : $ *` and two nulls, `$-1` and `*-1`. RESP3, which a client asks for with `HELLO 3`,
//! has one null `_` and adds doubles `,`, booleans `#`, big numbers `(`, bulk errors `!`, verbatim text
//! `=`, maps `%`, sets `~`, out-of-band pushes `>` and attributes `|`, which decorate the value behind
//! them. RESP3's streamed types (`$?`, `*?` …) are not sent by any Redis and are refused here.
//!
//! Requests are the same in both versions: an array of bulk strings, or an *inline* line of words.
//!
//! Sources: [the protocol specification](https://redis.io/docs/latest/develop/reference/protocol-spec/),
//! [the RESP3 proposal](https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md),
//! [HELLO](https://redis.io/docs/latest/commands/hello/).
//!
//! # The parts
//!
//! - [`Reply`] writes values straight into an output buffer, in the version the client asked for. It is
//!   what command handlers write to; no tree of values stands between.
//! - [`Value`], [`parse`], [`Decoder`] and [`encode`] are for the other end of the wire, clients and
//!   replication links, where a value must be held.
//!
//! ```
//! use oxidis::resp::{Protocol, Reply, Value, parse};
//!
//! let mut reply = Reply::new(Protocol::Resp3);
//! reply.map(1);
//! reply.bulk(b"answer");
//! reply.integer(42);
//!
//! let (value, _) = parse(&reply.to_vec()).unwrap().unwrap();
//! assert_eq!(value, Value::Map(vec![(Value::bulk("answer"), Value::Integer(42))]));
//! ```

pub mod decoder;
pub mod reply;
pub mod request;
pub mod value;

pub use decoder::{Decoder, ProtocolError, parse};
pub use reply::Reply;
pub use value::{Value, encode, encode_request};

/// The version of the protocol that replies are written in; connections begin with RESP2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// `HELLO 2`, spoken since Redis 1.2.
    #[default]
    Resp2,
    /// `HELLO 3`, spoken since Redis 6.0.
    Resp3,
}
