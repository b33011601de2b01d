use super::{Added, Cuckoo};
use crate::types::bundled::Value;
use crate::types::probabilistic::OutOfMemory;
use crate::util::random::Random;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn buckets(cuckoo: &Cuckoo) -> Vec<u8> {
    cuckoo.filters().iter().flat_map(|filter| filter.data().to_vec()).collect()
}

/// Thirty elements in filters of 8, 16 and 32, three of them deleted: what RedisBloom 2.8.2 hands out then.
#[test]
fn buckets_are_those_of_redisbloom() {
    let mut cuckoo = Cuckoo::new(8, 2, 20, 2).expect("room");
    (0..30).for_each(|at| assert_eq!(cuckoo.add(format!("item{at}").as_bytes()), Added::Yes));
    (0..3).for_each(|at| assert!(cuckoo.delete(format!("item{at}").as_bytes())));
    assert_eq!(hex(&cuckoo.header()), "1b00000000000000040000000000000000000000000000000300000000000000020014000200");
    assert_eq!(
        hex(&buckets(&cuckoo)),
        "0996b41483192aa6a2044de61e9c9c61ad003839dfb934680000000000000000000000000000000006000000250074000000880000000000"
    );
    assert_eq!((cuckoo.items(), cuckoo.deletes(), cuckoo.size()), (27, 0, 40 + 3 * 16 + 56));
}

#[test]
fn counts_follow_additions_and_deletes() {
    let mut cuckoo = Cuckoo::new(1000, 2, 20, 1).expect("room");
    assert_eq!((cuckoo.add(b"a"), cuckoo.add(b"a"), cuckoo.add_new(b"a")), (Added::Yes, Added::Yes, Added::Exists));
    assert_eq!((cuckoo.count(b"a"), cuckoo.contains(b"b")), (2, false));
    assert!(cuckoo.delete(b"a") && cuckoo.delete(b"a") && !cuckoo.delete(b"a"));
    assert_eq!((cuckoo.count(b"a"), cuckoo.items(), cuckoo.deletes()), (0, 0, 2));
}

#[test]
fn nothing_is_lost_while_the_chain_grows_and_shrinks() {
    let mut random = Random::from_seed(5);
    let mut cuckoo = Cuckoo::new(16, 2, 20, 1).expect("room");
    let mut there = Vec::new();
    for step in 0..3000u32 {
        if random.below(3) > 0 || there.is_empty() {
            there.push(step);
            assert_eq!(cuckoo.add(&step.to_le_bytes()), Added::Yes);
        } else {
            let gone = there.swap_remove(random.below(there.len() as u64) as usize);
            assert!(cuckoo.delete(&gone.to_le_bytes()));
        }
    }
    assert!(there.iter().all(|item| cuckoo.contains(&item.to_le_bytes())));
    cuckoo.compact(true);
    assert!(there.iter().all(|item| cuckoo.contains(&item.to_le_bytes())));
    assert_eq!(cuckoo.items(), there.len() as u64);
}

#[test]
fn a_chain_that_does_not_grow_is_full_and_stays_as_it_was() {
    let mut cuckoo = Cuckoo::new(4, 1, 20, 0).expect("room");
    let added = |cuckoo: &mut Cuckoo| (0..100u8).find(|item| cuckoo.add(&[*item]) == Added::NoRoom);
    assert!(added(&mut cuckoo).is_some());
    let before = cuckoo.clone();
    (0..100u8).filter(|item| !before.contains(&[*item])).for_each(|item| {
        let mut copy = before.clone();
        if copy.add(&[item]) == Added::NoRoom {
            assert_eq!(copy, before);
        }
    });
}

#[test]
fn sizes_that_no_machine_holds_are_refused() {
    assert_eq!(Cuckoo::new(i64::MAX as u64, 2, 20, 1), Err(OutOfMemory));
    let mut cuckoo = Cuckoo::new(4, 1, 1, 32768).expect("room");
    assert!((0..200_000u32).map(|_| cuckoo.add(b"same")).any(|added| added == Added::OutOfMemory));
}

#[test]
fn header_and_chunks_make_the_same_chain() {
    let mut cuckoo = Cuckoo::new(8, 2, 20, 2).expect("room");
    (0..100u8).for_each(|item| assert_eq!(cuckoo.add(&[item]), Added::Yes));
    let mut copy = Cuckoo::from_header(&cuckoo.header()).expect("a header").expect("a sound one");
    let mut position = 1;
    while let Some((chunk, next)) = cuckoo.chunk(position) {
        assert!(copy.load_chunk(next, chunk));
        position = next;
    }
    assert_eq!(copy, cuckoo);
    assert_eq!(cuckoo.chunk(5).map(|(chunk, next)| (chunk.len(), next)), Some((8, 13)));
    assert!(!copy.load_chunk(1, b"") && !copy.load_chunk(3, b"abc") && !copy.load_chunk(i64::MAX, b"abc"));
    assert!(!copy.load_chunk(-5, b"abc") && !copy.load_chunk(i64::MIN, b"abc") && !copy.load_chunk(10, b"abc"));
}

#[test]
fn damaged_headers_make_no_chain_or_one_that_works() {
    let mut cuckoo = Cuckoo::new(8, 2, 20, 2).expect("room");
    (0..30u8).for_each(|item| assert_eq!(cuckoo.add(&[item]), Added::Yes));
    let header = cuckoo.header();
    (0..header.len()).for_each(|len| assert!(Cuckoo::from_header(&header[..len]).is_none()));
    let mut random = Random::from_seed(9);
    for _ in 0..1_000 {
        let mut damaged = header.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(damaged.len() as u64) as usize;
            damaged[at] = random.next_u64() as u8;
        }
        let Some(Ok(mut loaded)) = Cuckoo::from_header(&damaged) else { continue };
        if loaded.heap_bytes() < 1 << 16 {
            let _ = (loaded.add(b"a"), loaded.contains(b"b"), loaded.delete(b"a"));
        }
    }
}
