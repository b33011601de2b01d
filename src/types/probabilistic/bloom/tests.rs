use super::{AddError, Bloom, ChunkError};
use crate::types::bundled::Value;
use crate::types::probabilistic::{OutOfMemory, Refused};
use crate::util::random::Random;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn chunks(bloom: &Bloom) -> Vec<(i64, Vec<u8>)> {
    let mut position = 1;
    let mut chunks = Vec::new();
    while let Some((chunk, next)) = bloom.chunk(position) {
        chunks.push((next, chunk.to_vec()));
        position = next;
    }
    chunks
}

/// Ten elements in filters of 3, 6 and 12: what RedisBloom 2.8.2 hands out then.
#[test]
fn parameters_and_bits_are_those_of_redisbloom() {
    let mut bloom = Bloom::new(3, 0.01, 2, true).expect("room");
    (0..10).for_each(|at| assert_eq!(bloom.add(format!("item{at}").as_bytes()), Ok(true)));
    assert_eq!(
        hex(&bloom.header()),
        "0a000000000000000300000005000000020000000800000000000000400000000000000003000000000000007b14ae47e17a743fe9862f\
         b2350e2640080000000300000000000000001000000000000000800000000000000006000000000000007b14ae47e17a643f4af7d49ede\
         f02840090000000600000000000000001800000000000000c00000000000000001000000000000007b14ae47e17a543faa677a8b87d32b\
         400a0000000c0000000000000000"
    );
    let bits: Vec<u8> = chunks(&bloom).into_iter().flat_map(|(_, chunk)| chunk).collect();
    assert_eq!(
        hex(&bits),
        "254ed49040462844a490759a8d6880869285c10491c02a9b808080008000800000000080008080800080000000000000"
    );
    assert_eq!((bloom.capacity(), bloom.items(), bloom.size()), (21, 10, 32 + 3 * 64 + 48));
}

#[test]
fn what_was_added_is_there_and_little_else() {
    let mut bloom = Bloom::new(100, 0.01, 2, true).expect("room");
    (0..10_000u32).for_each(|item| assert!(bloom.add(&item.to_le_bytes()).is_ok()));
    assert!((0..10_000u32).all(|item| bloom.contains(&item.to_le_bytes())));
    let wrong = (10_000..110_000u32).filter(|item| bloom.contains(&item.to_le_bytes())).count();
    assert!(wrong < 1_000, "{wrong} of 100,000");
}

#[test]
fn a_filter_that_does_not_scale_is_full_at_its_capacity() {
    let mut bloom = Bloom::new(2, 0.01, 2, false).expect("room");
    assert_eq!((bloom.add(b"a"), bloom.add(b"b")), (Ok(true), Ok(true)));
    assert_eq!((bloom.add(b"a"), bloom.add(b"c")), (Ok(false), Err(AddError::Full)));
    assert_eq!(bloom.expansion(), None);
}

#[test]
fn capacities_that_no_machine_holds_are_refused() {
    assert_eq!(Bloom::new(u64::MAX / 2, 0.01, 2, true), Err(OutOfMemory));
    let mut bloom = Bloom::new(1000, 0.01, u32::MAX, true).expect("room");
    assert!((0..2000u32).any(|item| bloom.add(&item.to_le_bytes()) == Err(AddError::CannotGrow)));
    let mut none = Bloom::new(1, 0.01, 0, true).expect("room");
    assert_eq!((none.add(b"a"), none.add(b"b")), (Ok(true), Err(AddError::CannotGrow)));
}

#[test]
fn header_and_chunks_make_the_same_filter() {
    let mut bloom = Bloom::new(3, 0.01, 3, true).expect("room");
    (0..1000u32).for_each(|item| assert!(bloom.add(&item.to_le_bytes()).is_ok()));
    let mut copy = Bloom::from_header(&bloom.header()).expect("a header");
    chunks(&bloom).iter().for_each(|(end, chunk)| assert_eq!(copy.load_chunk(*end, chunk), Ok(())));
    assert_eq!(copy, bloom);
    assert_eq!((bloom.chunk(0), bloom.chunk(-1), bloom.chunk(i64::MIN)), (None, None, None));
    assert_eq!(copy.load_chunk(2, b"abc"), Err(ChunkError::BadPosition));
    assert_eq!(copy.load_chunk(3, b"abc"), Err(ChunkError::NoFilter));
    assert_eq!(copy.load_chunk(i64::MAX, b"abc"), Err(ChunkError::NoFilter));
    assert_eq!(copy.load_chunk(10, b"abcdefghi"), Err(ChunkError::TooLong));
}

#[test]
fn damaged_headers_make_no_filter_or_one_that_works() {
    let mut bloom = Bloom::new(3, 0.01, 2, true).expect("room");
    (0..10u8).for_each(|item| assert!(bloom.add(&[item]).is_ok()));
    let header = bloom.header();
    (0..header.len()).for_each(|len| assert_eq!(Bloom::from_header(&header[..len]), Err(Refused::Malformed)));
    let mut random = Random::from_seed(3);
    for _ in 0..1_000 {
        let mut damaged = header.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(damaged.len() as u64) as usize;
            damaged[at] = random.next_u64() as u8;
        }
        let Ok(mut loaded) = Bloom::from_header(&damaged) else { continue };
        if loaded.heap_bytes() < 1 << 20 {
            let _ = (loaded.add(b"a"), loaded.contains(b"b"), loaded.load_chunk(random.below(100) as i64, b"ab"));
        }
    }
}

#[test]
fn ratios_are_shown_as_by_printf() {
    let shown = |number| {
        let mut line = String::new();
        super::append_six_digits(&mut line, number);
        line
    };
    let expected = [
        (0.005, "0.005"),
        (5e-301, "5e-301"),
        (0.4999995, "0.499999"),
        (9.765625e-5, "9.76563e-05"),
        (0.000195313, "0.000195313"),
        (0.00012345678, "0.000123457"),
        (0.9999999, "1"),
    ];
    expected.iter().for_each(|(number, text)| assert_eq!(shown(*number), *text));
}
