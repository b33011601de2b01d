//! Framing against a naive twin, driven as a connection drives it: the first piece is framed where it was read, what
//! is left of it moves to the head of a buffer of the connection's own, further pieces come behind it or straight
//! into the big argument that is arriving.

use proptest::prelude::*;

use super::arriving::{BIG_READ, BIG_STEP};
use super::*;

const LIMITS: Limits =
    Limits { bulk_max: 512 << 20, args_max: i32::MAX as i64, requests_max: 64, unauthenticated: false };
const UNAUTHENTICATED: Limits = Limits { unauthenticated: true, requests_max: 1, ..LIMITS };

type Words = Vec<Vec<u8>>;
type Outcome = (Vec<Words>, Option<String>);

/// One connection's side of the framing.
struct Receiver {
    limits: Limits,
    input: Vec<u8>,
    progress: Progress,
    batch: Batch,
    requests: Vec<Words>,
    /// How many of them were taken to begin as the one before.
    alike: usize,
    error: Option<String>,
}

impl Receiver {
    fn new(limits: Limits) -> Receiver {
        let (input, progress, batch) = (Vec::new(), Progress::default(), Batch::default());
        Receiver { limits, input, progress, batch, requests: Vec::new(), alike: 0, error: None }
    }

    fn receive(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() && self.error.is_none() {
            let own = !self.input.is_empty() || !self.progress.is_idle();
            if !own {
                let used = self.run(piece);
                let end = piece.len() - self.progress.cut();
                self.input.extend_from_slice(&piece[used..end]);
                return;
            }
            match self.progress.arriving() {
                Some((big, room)) => {
                    let (now, later) = piece.split_at(piece.len().min(room));
                    let capacity = big.capacity();
                    big.extend_from_slice(now);
                    assert_eq!(big.capacity(), capacity, "there was room for what was asked for");
                    piece = later;
                }
                None => self.input.extend_from_slice(std::mem::take(&mut piece)),
            }
            let input = std::mem::take(&mut self.input);
            let used = self.run(&input);
            let end = input.len() - self.progress.cut();
            self.input = input[used..end].to_vec();
        }
    }

    fn run(&mut self, buffer: &[u8]) -> usize {
        let mut used = 0;
        loop {
            self.batch.clear();
            let (end, result) = frame(buffer, used, &mut self.progress, &mut self.batch, &self.limits);
            for request in &self.batch.requests {
                let view = ArgView::of(&self.batch, request, buffer);
                let words: Words = (0..view.len()).map(|index| view.get(index).to_vec()).collect();
                if request.alike {
                    let before = self.requests.last().expect("one that it is like");
                    assert_eq!((&words[0], words.len()), (&before[0], before.len()));
                }
                self.alike += usize::from(request.alike);
                self.requests.push(words);
                assert!(request.end as usize <= end);
            }
            used = end;
            if let Err(error) = result {
                self.error = Some(String::from_utf8_lossy(error.text()).into_owned());
                return buffer.len();
            }
            if !self.progress.is_idle() || used == buffer.len() || self.batch.requests.is_empty() {
                return used;
            }
        }
    }

    /// Bytes held for what is not complete.
    fn held(&self) -> usize {
        self.input.len() + self.progress.bytes()
    }
}

fn framed(limits: Limits, pieces: &[&[u8]]) -> Outcome {
    let mut receiver = Receiver::new(limits);
    pieces.iter().for_each(|piece| receiver.receive(piece));
    (receiver.requests, receiver.error)
}

/// The stream in pieces of these lengths, over and over.
fn in_pieces(limits: Limits, stream: &[u8], lengths: &[usize]) -> Outcome {
    let mut receiver = Receiver::new(limits);
    let mut rest = stream;
    for length in lengths.iter().cycle() {
        let (now, later) = rest.split_at((*length).min(rest.len()));
        receiver.receive(now);
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    (receiver.requests, receiver.error)
}

/// The same by the plainest means, for streams without lines that are too long.
fn naive(limits: Limits, mut rest: &[u8]) -> Outcome {
    let mut requests = Vec::new();
    while !rest.is_empty() {
        match naive_request(limits, rest) {
            Ok(Some((words, behind))) => {
                rest = behind;
                requests.extend((!words.is_empty()).then_some(words));
            }
            Ok(None) => break,
            Err(error) => return (requests, Some(error)),
        }
    }
    (requests, None)
}

fn naive_request(limits: Limits, stream: &[u8]) -> Result<Option<(Words, &[u8])>, String> {
    if stream[0] != b'*' {
        let Some(end) = stream.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line = &stream[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let words = quote::split_args(line).map_err(|_| "unbalanced quotes in request")?;
        return Ok(Some((words, &stream[end + 1..])));
    }
    let Some((line, mut rest)) = naive_line(stream) else { return Ok(None) };
    let count: i64 =
        naive_number(&line[1..]).filter(|count| *count <= limits.args_max).ok_or("invalid multibulk length")?;
    if limits.unauthenticated && count > 10 {
        return Err("unauthenticated multibulk length".into());
    }
    let mut words = Vec::new();
    for _ in 0..count {
        let Some((line, behind)) = naive_line(rest) else { return Ok(None) };
        match line.first() {
            Some(b'$') => {}
            Some(0) => return Err("expected '$', got '".into()),
            Some(byte) => return Err(format!("expected '$', got '{}'", String::from_utf8_lossy(&[*byte]))),
            None => return Err("expected '$', got '\r'".into()),
        }
        let length = naive_number(&line[1..]).filter(|length| (0..=limits.bulk_max as i64).contains(length));
        let length = length.ok_or("invalid bulk length")? as usize;
        if limits.unauthenticated && length > 16384 {
            return Err("unauthenticated bulk length".into());
        }
        if behind.len() < length + 2 {
            return Ok(None);
        }
        words.push(behind[..length].to_vec());
        rest = &behind[length + 2..];
    }
    Ok(Some((words, rest)))
}

fn naive_line(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = rest.iter().position(|byte| *byte == b'\r')?;
    Some((&rest[..end], rest.get(end + 2..)?))
}

/// Numbers are written in one way only.
fn naive_number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

fn encode<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.as_ref().len()).as_bytes());
        bytes.extend_from_slice(word.as_ref());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn words(words: &[&str]) -> Words {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
}

#[test]
fn a_stream_split_anywhere_gives_the_same_requests() {
    let mut stream = encode(&["SET", "key", "value"]);
    stream.extend_from_slice(b"PING\r\n\r\n\n*0\r\n*-1\r\n  get  \"a b\\x41\"\n");
    stream.extend(encode(&["", "\r\n", &"x".repeat(1234)]));
    stream.extend_from_slice(b"*1\r\n$4\r\nQUIT\r\nGET 'it\\'s'\r\n");
    stream.extend(encode(&["ECHO", "*3\r\n$1\r\n"]));
    let expected = vec![
        words(&["SET", "key", "value"]),
        words(&["PING"]),
        words(&["get", "a bA"]),
        words(&["", "\r\n", &"x".repeat(1234)]),
        words(&["QUIT"]),
        words(&["GET", "it's"]),
        words(&["ECHO", "*3\r\n$1\r\n"]),
    ];
    assert_eq!(framed(LIMITS, &[&stream]), (expected.clone(), None));
    assert_eq!(naive(LIMITS, &stream), (expected.clone(), None));
    for split in 0..=stream.len() {
        let (left, right) = stream.split_at(split);
        assert!(framed(LIMITS, &[left, right]) == (expected.clone(), None), "split at {split}");
        let (first, second) = left.split_at(split / 2);
        assert!(
            framed(LIMITS, &[first, second, right]) == (expected.clone(), None),
            "split at {} and {split}",
            split / 2
        );
    }
    for limits in [LIMITS, Limits { requests_max: 1, ..LIMITS }, Limits { requests_max: 2, ..LIMITS }] {
        assert_eq!(in_pieces(limits, &stream, &[1]), (expected.clone(), None));
    }
}

#[test]
fn requests_that_begin_alike_are_seen_to() {
    let alike = |requests: &[&[&str]]| {
        let stream: Vec<u8> = requests.iter().flat_map(|words| encode(words)).collect();
        let mut receiver = Receiver::new(Limits { requests_max: 2, ..LIMITS });
        receiver.receive(&stream);
        assert_eq!(receiver.requests.len(), requests.len());
        receiver.alike
    };
    assert_eq!(alike(&[&["GET", "a"], &["GET", "bcd"], &["GET", ""], &["GET", &"x".repeat(99)], &["GET", "a"]]), 4);
    assert_eq!(alike(&[&["GET", "a"], &["get", "a"], &["GET", "a", "b"], &["GEX", "a"], &["SET", "a"]]), 0);
    assert_eq!(alike(&[&["LPUSHX", "a"], &["LPUSHX", "a"], &["PING"], &["PING"], &["LPUSHX", "a"]]), 2);
    assert_eq!(alike(&[&["SUBSCRIBE", "a"], &["SUBSCRIBE", "a"], &["SUBSCRIBF", "a"]]), 1);
    for length in 15..40 {
        let name = "x".repeat(length);
        // Counted with `*2`, `$15` and the ends of lines, 32 bytes are compared.
        assert_eq!(alike(&[&[&name, "a"], &[&name, "b"], &[&name[1..], "ccc"]]), usize::from(length <= 21), "{length}");
    }
    // Requests that are long or lines, and what follows them.
    assert_eq!(alike(&[&["GET", &"x".repeat(1000)], &["GET", "a"]]), 0);
    let mut receiver = Receiver::new(LIMITS);
    let get = encode(&["GET", "a"]);
    receiver.receive(&[&get[..], b"PING\r\n", &get, b"*0\r\n", &get, &get].concat());
    assert_eq!((receiver.requests.len(), receiver.alike), (5, 1));
}

#[test]
fn big_arguments_are_collected_from_any_pieces() {
    let big = [BIG_ARGUMENT - 1, BIG_ARGUMENT, BIG_ARGUMENT + 1, 3 * BIG_STEP + 17].map(pattern);
    let request: Vec<&[u8]> = [b"MSET".as_slice(), b"k"].into_iter().chain(big.iter().map(Vec::as_slice)).collect();
    let mut stream = b"PING\r\n".to_vec();
    stream.extend(encode(&request));
    stream.extend(encode(&["GET", "k"]));
    stream.extend(encode(&[b"SET", b"k".as_slice(), &big[1]]));
    stream.extend_from_slice(b"PING\r\n");
    let expected = naive(LIMITS, &stream);
    assert_eq!((expected.0.len(), &expected.1), (5, &None));
    for length in [1, 2, 3, 1000, BIG_ARGUMENT - 1, BIG_ARGUMENT, BIG_ARGUMENT + 2, BIG_STEP, 1 << 20] {
        assert!(in_pieces(LIMITS, &stream, &[length]) == expected, "pieces of {length}");
    }
    for split in (0..stream.len()).step_by(997) {
        let (left, right) = stream.split_at(split);
        assert!(framed(LIMITS, &[left, right]) == expected, "split at {split}");
    }
}

#[test]
fn only_big_arguments_have_their_own_allocation() {
    let big = pattern(BIG_ARGUMENT);
    let stream = [encode(&[b"SET", b"k".as_slice(), &big]), b"SET k 5\r\n".to_vec()].concat();
    let (mut progress, mut batch) = (Progress::default(), Batch::default());
    let (end, result) = frame(&stream, 0, &mut progress, &mut batch, &LIMITS);
    assert_eq!((end, result, batch.requests.len()), (stream.len(), Ok(()), 2));
    let view = ArgView::of(&batch, &batch.requests[0], &stream);
    assert_eq!((view.shared(1), view.shared(2).map(|shared| shared.len())), (None, Some(BIG_ARGUMENT)));
    let owned = OwnedRequest::copy(&view);
    assert!(std::ptr::eq(owned.view().get(2), view.get(2)), "a big argument is shared, not copied");
    assert_eq!((owned.view().get(0), owned.view().get(1)), (view.get(0), view.get(1)));
    let inline = ArgView::of(&batch, &batch.requests[1], &stream);
    assert!((0..3).all(|index| inline.shared(index).is_none()));
    assert_eq!(OwnedRequest::copy(&inline).view().get(2), b"5");
}

#[test]
fn words_of_up_to_eight_bytes_are_read_at_once() {
    let given = ["", "a", "GET", "12345678", "123456789", "get\0", "\0"];
    let stream = encode(&given);
    let (mut progress, mut batch) = (Progress::default(), Batch::default());
    assert_eq!(frame(&stream, 0, &mut progress, &mut batch, &LIMITS).1, Ok(()));
    let framed = ArgView::of(&batch, &batch.requests[0], &stream);
    let owned = OwnedRequest::of(&given);
    for view in [framed, owned.view()] {
        for (index, text) in given.iter().enumerate() {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(bytes.len().max(8), 0);
            let plain = !text.is_empty() && text.len() <= 8 && !text.ends_with('\0');
            let word = plain.then(|| u64::from_le_bytes(bytes[..8].try_into().unwrap()));
            assert_eq!(view.word(index), word, "{text:?}");
        }
    }
}

#[test]
fn breaches_of_the_protocol_are_told_as_redis_tells_them() {
    let cases: &[(&[u8], &str)] = &[
        (b"*\r\n", "invalid multibulk length"),
        (b"*a\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"* 1\r\n", "invalid multibulk length"),
        (b"*1 \r\n", "invalid multibulk length"),
        (b"*-0\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*3\n$3\r\n", "invalid multibulk length"),
        (b"*1\r\n$\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$-9223372036854775808\r\n", "invalid bulk length"),
        (b"*1\r\n$03\r\n", "invalid bulk length"),
        (b"*1\r\n$3x\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        (b"*1\r\nfoo\r\n", "expected '$', got 'f'"),
        (b"*1\r\n:3\r\n", "expected '$', got ':'"),
        (b"*1\r\n\r\n", "expected '$', got '\r'"),
        (b"*2\r\n$3\r\nGET\r\nkey\r\n", "expected '$', got 'k'"),
        (b"*1\r\n\0\r\n", "expected '$', got '"),
        (b"*1\r\n$3\r\nGETxx$3\r\nfoo\r\n*x\r\n", "invalid multibulk length"),
        (b"set \"a\r\n", "unbalanced quotes in request"),
        (b"set 'a'b\r\n", "unbalanced quotes in request"),
    ];
    for (stream, text) in cases {
        for outcome in [framed(LIMITS, &[stream]), in_pieces(LIMITS, stream, &[1]), naive(LIMITS, stream)] {
            assert_eq!(outcome.1.as_deref(), Some(*text), "{:?}", String::from_utf8_lossy(stream));
        }
    }
    let high_byte = frame(b"*1\r\n\xff\r\n", 0, &mut Progress::default(), &mut Batch::default(), &LIMITS);
    assert_eq!(high_byte.1.map_err(|error| error.text().to_vec()), Err(b"expected '$', got '\xff'".to_vec()));
}

#[test]
fn endless_lines_are_refused_one_byte_behind_the_bound() {
    for (head, text) in [
        (b"x".as_slice(), "too big inline request"),
        (b"*", "too big mbulk count string"),
        (b"*1\r\n$", "too big bulk count string"),
        (b"*1\r\n1", "too big bulk count string"),
    ] {
        let line = head.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut stream = head.to_vec();
        stream.resize(line + LINE_MAX, b'1');
        assert_eq!(framed(LIMITS, &[&stream]), (Vec::new(), None), "{text}");
        stream.push(b'1');
        assert_eq!(framed(LIMITS, &[&stream]), (Vec::new(), Some(text.into())));
        assert_eq!(in_pieces(LIMITS, &stream, &[1009]), (Vec::new(), Some(text.into())));
    }
    let line = [b"SET k ".as_slice(), &[b'v'; LINE_MAX], b"\r\n"].concat();
    assert_eq!(framed(LIMITS, &[&line]).0.len(), 1, "a long line that has come whole is taken");
}

#[test]
fn requests_before_a_breach_are_run() {
    let stream = b"PING\r\n*1\r\n$4\r\nPING\r\n*1\r\nx\r\nPING\r\n";
    for outcome in [framed(LIMITS, &[stream]), in_pieces(LIMITS, stream, &[1]), in_pieces(LIMITS, stream, &[7])] {
        assert_eq!(outcome, (vec![words(&["PING"]); 2], Some("expected '$', got 'x'".into())));
    }
    let (mut progress, mut batch) = (Progress::default(), Batch::default());
    let (offset, result) = frame(stream, 0, &mut progress, &mut batch, &LIMITS);
    assert_eq!((offset, result.is_err(), batch.requests.len()), (20, true, 2));
}

#[test]
fn bounds_are_tighter_before_auth() {
    let outcome = |stream: &[u8]| framed(UNAUTHENTICATED, &[stream]);
    let ten = encode(&["x"; 10]);
    assert_eq!(outcome(&ten), (vec![words(&["x"; 10])], None));
    assert_eq!(outcome(b"*11\r\n"), (Vec::new(), Some("unauthenticated multibulk length".into())));
    let longest = encode(&[pattern(16384)]);
    assert_eq!(outcome(&longest).0.len(), 1);
    assert_eq!(outcome(b"*1\r\n$16385\r\n"), (Vec::new(), Some("unauthenticated bulk length".into())));
    assert_eq!(outcome(b"*1\r\n$536870913\r\n"), (Vec::new(), Some("invalid bulk length".into())));
    let one_by_one = [ten.clone(), ten].concat();
    let (mut progress, mut batch) = (Progress::default(), Batch::default());
    let (end, _) = frame(&one_by_one, 0, &mut progress, &mut batch, &UNAUTHENTICATED);
    assert_eq!((end, batch.requests.len()), (one_by_one.len() / 2, 1));
}

#[test]
fn announced_lengths_cost_nothing() {
    for stream in [
        b"*2147483647\r\n".as_slice(),
        b"*2147483647\r\n$536870912\r\n",
        b"*2\r\n$3\r\nGET\r\n$536870912\r\nabc",
        b"*100000000\r\n$1\r\nx\r\n",
    ] {
        let mut receiver = Receiver::new(LIMITS);
        receiver.receive(stream);
        receiver.receive(b"x");
        assert!(receiver.held() < 2 * BIG_STEP, "{} bytes for {:?}", receiver.held(), String::from_utf8_lossy(stream));
        if let Some((_, room)) = receiver.progress.arriving() {
            assert!(room <= BIG_READ);
        }
    }
    let mut receiver = Receiver::new(LIMITS);
    receiver.receive(b"*1\r\n$536870912\r\n");
    for _ in 0..64 {
        receiver.receive(&[b'x'; 65536]);
    }
    assert_eq!(receiver.progress.arrived(), 64 * 65536);
    assert_eq!(receiver.input, b"*1\r\n$536870912\r\n", "what is in the argument is held once");
    assert!(receiver.held() <= 4 * 64 * 65536 + BIG_STEP, "{} bytes", receiver.held());
}

#[test]
fn a_request_of_very_many_arguments_may_come_bit_by_bit() {
    let many = vec!["x"; 300_000];
    let stream = encode(&many);
    let (start, rest) = stream.split_at(stream.len() - 20_000);
    let mut receiver = Receiver::new(LIMITS);
    start.chunks(65536).for_each(|piece| receiver.receive(piece));
    let args = receiver.progress.args.as_ptr();
    receiver.receive(&rest[..1]);
    assert_eq!(receiver.progress.args.as_ptr(), args, "known arguments are handed over, not copied");
    receiver.receive(&rest[1..]);
    assert_eq!((receiver.requests.len(), receiver.requests[0].len()), (1, many.len()));
    assert_eq!(receiver.held(), 0);
}

fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let short = proptest::collection::vec(any::<u8>(), 0..12);
    let word =
        prop_oneof![4 => short, 1 => proptest::sample::select(vec![9, 10, 99, 100, 999, 1000]).prop_map(pattern)];
    prop_oneof![
        6 => proptest::collection::vec(word.clone(), 1..6).prop_map(|words| encode(&words)),
        6 => (proptest::sample::select(vec!["GET", "get", "SET", "XREADGROUP", "a-name-of-30-bytes-is-too-long"]), proptest::collection::vec(word.clone(), 1..4))
            .prop_map(|(name, words)| encode(&[vec![name.as_bytes().to_vec()], words].concat())),
        1 => (BIG_ARGUMENT - 2..BIG_ARGUMENT + 3).prop_map(|length| encode(&[b"SET".to_vec(), pattern(length)])),
        2 => proptest::collection::vec(word, 0..4).prop_map(|words| {
            let mut line = Vec::new();
            words.iter().for_each(|word| { quote::quote(word, &mut line); line.push(b' ') });
            line.extend_from_slice(b"\r\n");
            line
        }),
        1 => "[a-z'\"\\\\ \0]{0,9}\r?\n".prop_map(String::into_bytes),
        1 => prop_oneof![Just("\r\n"), Just("\n"), Just("*0\r\n"), Just("*-1\r\n"), Just("*-7\r\n")]
            .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

proptest! {
    #[test]
    fn any_stream_in_any_pieces_is_framed_like_the_twin_does(
        requests in proptest::collection::vec(any_request(), 0..8),
        lengths in proptest::collection::vec(prop_oneof![1usize..9, 1usize..40_000], 1..8),
        requests_max in 1usize..5,
    ) {
        let stream = requests.concat();
        let limits = Limits { requests_max, ..LIMITS };
        let expected = naive(limits, &stream);
        prop_assert!(framed(limits, &[&stream]) == expected);
        prop_assert!(in_pieces(limits, &stream, &lengths) == expected);
    }

    #[test]
    fn mutated_streams_are_framed_like_the_twin_does_and_held_in_bounds(
        requests in proptest::collection::vec(any_request(), 1..4),
        mutations in proptest::collection::vec(
            (any::<proptest::sample::Index>(), prop_oneof![any::<u8>(), proptest::sample::select(b"*$\r\n0129-\"'\0".to_vec())], 0..3),
            1..6,
        ),
        lengths in proptest::collection::vec(prop_oneof![1usize..9, 1usize..40_000], 1..6),
        unauthenticated in any::<bool>(),
    ) {
        let mut stream = requests.concat();
        for (place, byte, kind) in mutations {
            let place = place.index(stream.len());
            match kind {
                0 => stream[place] = byte,
                1 => stream.insert(place, byte),
                _ => stream.truncate(place.max(1)),
            }
        }
        // Long lines are refused or not depending on the pieces.
        stream.truncate(LINE_MAX);
        let limits = if unauthenticated { UNAUTHENTICATED } else { LIMITS };
        let expected = naive(limits, &stream);
        prop_assert!(in_pieces(limits, &stream, &lengths) == expected);
        let mut receiver = Receiver::new(limits);
        receiver.receive(&stream);
        prop_assert!(receiver.held() <= 5 * stream.len() + 2 * BIG_STEP, "{} bytes for {}", receiver.held(), stream.len());
    }
}
