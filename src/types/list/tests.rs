//! Lists against a deque of vectors, under all sorts of limits.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Push(End, Vec<u8>),
    Pop(End),
    Set(usize, Vec<u8>),
    Insert(usize, End, Vec<u8>),
    Remove(usize, usize, End),
    RemoveRange(usize, usize),
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Head), Just(End::Tail)]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0..30_i64).prop_map(|value| value.to_string().into_bytes()),
        2 => any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        4 => (any::<u8>(), 0..200_usize).prop_map(|(byte, length)| vec![byte; length]),
        2 => prop::collection::vec(any::<u8>(), 0..100),
        1 => (any::<u8>(), 3000..9000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (end(), text()).prop_map(|(end, text)| Step::Push(end, text)),
        4 => end().prop_map(Step::Pop),
        3 => (0..100_usize, text()).prop_map(|(index, text)| Step::Set(index, text)),
        4 => (0..100_usize, end(), text()).prop_map(|(pivot, toward, text)| Step::Insert(pivot, toward, text)),
        1 => (0..100_usize, 0..4_usize, end()).prop_map(|(index, count, end)| Step::Remove(index, count, end)),
        1 => (0..100_usize, 0..12_usize).prop_map(|(start, count)| Step::RemoveRange(start, count)),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let size = prop_oneof![Just(-2), Just(-1), Just(1), Just(3), Just(16), Just(0), Just(1000)];
    let plain_from = prop_oneof![3 => Just(None), 1 => Just(Some(1)), 1 => Just(Some(50))];
    (size, 0..4_u32, plain_from).prop_map(|(size, depth, plain_from)| Limits::new(size, depth, plain_from))
}

fn apply(list: &mut List, twin: &mut VecDeque<Vec<u8>>, step: Step, limits: &Limits) {
    let taken = |element: Element<'_>| element.to_vec();
    match step {
        Step::Push(End::Head, text) => {
            list.expect(text.len(), 1, limits);
            list.push(End::Head, &text, limits);
            twin.push_front(text);
        }
        Step::Push(End::Tail, text) => {
            list.expect(text.len(), 1, limits);
            list.push(End::Tail, &text, limits);
            twin.push_back(text);
        }
        Step::Pop(End::Head) => assert_eq!(list.pop(End::Head, limits, taken), twin.pop_front()),
        Step::Pop(End::Tail) => assert_eq!(list.pop(End::Tail, limits, taken), twin.pop_back()),
        Step::Set(index, text) => {
            list.expect(text.len(), 1, limits);
            assert_eq!(list.set(index, &text, limits), index < twin.len());
            if let Some(place) = twin.get_mut(index) {
                *place = text;
            }
        }
        Step::Insert(pivot, toward, text) => {
            if twin.is_empty() {
                return;
            }
            let pivot = pivot % twin.len();
            list.expect(text.len(), 1, limits);
            list.insert(pivot, toward, &text, limits);
            twin.insert(pivot + usize::from(toward == End::Tail), text);
        }
        Step::Remove(index, count, toward) => {
            let text = twin.get(index).cloned().unwrap_or_default();
            let mut indices: Vec<usize> = (0..twin.len()).filter(|index| twin[*index] == text).collect();
            if toward == End::Head {
                indices.reverse();
            }
            indices.truncate(if count == 0 { usize::MAX } else { count });
            assert_eq!(list.remove(Needle::new(&text), count, toward, limits), indices.len());
            indices.sort();
            indices.iter().rev().for_each(|index| drop(twin.remove(*index)));
        }
        Step::RemoveRange(start, count) => {
            list.remove_range(start, count, limits);
            let start = start.min(twin.len());
            twin.drain(start..(start + count).min(twin.len()));
        }
    }
}

fn elements(list: &List, from: usize, toward: End) -> Vec<Vec<u8>> {
    let mut elements = Vec::new();
    list.visit(from, toward, |element| {
        elements.push(element.to_vec());
        ControlFlow::Continue(())
    });
    elements
}

/// What must hold of a list after each step.
fn check(list: &List, limits: &Limits) {
    let Form::Large(quick) = &list.0 else { return };
    assert_eq!(quick.nodes().map(Node::count).sum::<usize>(), list.len());
    if quick.is_listpack() {
        assert!(quick.nodes().len() <= 1 && quick.nodes().all(Node::is_listpack));
        return;
    }
    let depth = usize::from(limits.depth);
    for (at, node) in quick.nodes().enumerate() {
        assert!(node.count() > 0, "an empty node");
        let near_an_end = at < depth || quick.nodes().len() - at <= depth;
        let compressed = matches!(node, Node::Compressed { .. });
        assert!(!compressed || !(near_an_end || depth == 0), "node {at} is compressed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_list_is_a_deque(limits in limits(), steps in prop::collection::vec(step(), 0..120)) {
        let (mut list, mut twin) = (List::default(), VecDeque::new());
        for step in steps {
            apply(&mut list, &mut twin, step, &limits);
            check(&list, &limits);
            prop_assert_eq!(list.len(), twin.len());
        }
        prop_assert_eq!(elements(&list, 0, End::Tail), Vec::from(twin.clone()));
        for from in 0..twin.len() {
            let forward: Vec<Vec<u8>> = twin.range(from..).take(3).cloned().collect();
            let mut found = Vec::new();
            list.visit_some(from, 3, End::Tail, |element| found.push(element.to_vec()));
            prop_assert_eq!(found, forward);
        }
        let back: Vec<Vec<u8>> = twin.iter().rev().skip(1).cloned().collect();
        prop_assert_eq!(elements(&list, twin.len().wrapping_sub(2), End::Head), back);
    }

    #[test]
    fn copies_of_a_list_stay_what_it_was(
        limits in limits(), steps in prop::collection::vec((step(), 0..8u8), 0..120),
    ) {
        let (mut list, mut twin) = (List::default(), VecDeque::new());
        let mut copies = Vec::new();
        for (step, kind) in steps {
            match kind {
                0 => copies.push((list.clone(), twin.clone())),
                1 if !copies.is_empty() => drop(copies.remove(0)),
                2 => list = list.clone(),
                _ => {}
            }
            apply(&mut list, &mut twin, step, &limits);
        }
        copies.push((list, twin));
        for (copy, twin) in copies {
            prop_assert_eq!(elements(&copy, 0, End::Tail), Vec::from(twin));
        }
    }

    #[test]
    fn limits_may_change_from_step_to_step(steps in prop::collection::vec((limits(), step()), 0..120)) {
        let (mut list, mut twin) = (List::default(), VecDeque::new());
        for (limits, step) in steps {
            apply(&mut list, &mut twin, step, &limits);
            prop_assert_eq!(list.len(), twin.len());
        }
        prop_assert_eq!(elements(&list, 0, End::Tail), Vec::from(twin.clone()));
        prop_assert_eq!(elements(&list.clone(), 0, End::Tail), Vec::from(twin));
    }
}

fn push(list: &mut List, end: End, text: &[u8], limits: &Limits) {
    list.expect(text.len(), 1, limits);
    list.push(end, text, limits);
}

fn numbers(range: std::ops::Range<usize>, limits: &Limits) -> List {
    let mut list = List::default();
    range.for_each(|number| push(&mut list, End::Tail, number.to_string().as_bytes(), limits));
    list
}

#[test]
fn nodes_are_filled_to_their_limit() {
    let size = |size: i32| {
        let list = numbers(0..100_000, &Limits::new(size, 0, None));
        list.text_bytes() / list.nodes()
    };
    assert!((3900..=4096).contains(&size(-1)), "{}", size(-1));
    assert!((7900..=8192).contains(&size(-2)), "{}", size(-2));
    assert!((50_000..=65_536).contains(&size(-5)), "{}", size(-5));
    assert_eq!(size(-100), size(-5));
    assert_eq!(numbers(0..3200, &Limits::new(32, 0, None)).nodes(), 100);
    assert_eq!(numbers(0..100, &Limits::new(0, 0, None)).nodes(), 100);
}

#[test]
fn memory_is_hardly_more_than_the_listpacks() {
    for end in [End::Head, End::Tail] {
        let (mut list, limits) = (List::default(), Limits::new(-2, 0, None));
        for number in 0..200_000_u32 {
            push(&mut list, end, &number.to_be_bytes(), &limits);
        }
        let content = list.text_bytes();
        let all = list.heap_bytes(0);
        assert!(all < content + content / 50, "{end:?}: {all} for {content}");
    }
}

#[test]
fn small_lists_have_no_spare_room() {
    let limits = Limits::new(-2, 0, None);
    assert_eq!(List::default().heap_bytes(0), 0);
    let list = numbers(0..10, &limits);
    assert_eq!(list.heap_bytes(0), size_class(7 + 2 * 10));
    let mut list = numbers(0..2000, &limits);
    assert_eq!(list.encoding(), "listpack");
    assert!(matches!(list.0, Form::Large(_)));
    list.remove_range(10, 1990, &limits);
    assert!(matches!(list.0, Form::Small(_)));
}

#[test]
fn inner_nodes_are_compressed() {
    let limits = Limits::new(-1, 2, None);
    let mut list = List::default();
    (0..100).for_each(|_| push(&mut list, End::Head, &[b'x'; 2000], &limits));
    let forms = |list: &List| -> Vec<bool> {
        let Form::Large(quick) = &list.0 else { return Vec::new() };
        quick.nodes().map(|node| matches!(node, Node::Compressed { .. })).collect()
    };
    let inner = |count: usize| (0..count).map(|at| at >= 2 && at < count - 2).collect::<Vec<_>>();
    assert_eq!(forms(&list), inner(50));
    assert!(list.heap_bytes(0) < 24_000, "{}", list.heap_bytes(0));
    assert!(list.set(50, b"short", &limits));
    (0..20).for_each(|_| assert!(list.pop(End::Tail, &limits, |_| ()).is_some()));
    assert_eq!(forms(&list), inner(40));
    assert_eq!(list.find(Needle::new(b"short")), Some(50));
}

#[test]
fn big_elements_have_nodes_of_their_own() {
    let limits = Limits::new(-2, 0, None);
    let mut list = numbers(0..4, &limits);
    list.expect(8193, 1, &limits);
    assert!(list.set(2, &[b'x'; 8193], &limits));
    assert_eq!(list.describe().lines().count(), 3);
    assert!(list.describe().contains("plain of 1 elements, 8193 bytes"), "{}", list.describe());
    assert_eq!(list.pop(End::Tail, &limits, |element| element.to_vec()), Some(b"3".to_vec()));
    assert_eq!(list.pop(End::Tail, &limits, |element| element.to_vec()), Some(vec![b'x'; 8193]));
    assert_eq!(list.len(), 2);
}

#[test]
fn numbers_are_found_however_they_are_kept() {
    let (packed, plain) = (Limits::new(-2, 0, None), Limits::new(-2, 0, Some(1)));
    let mut list = numbers(5..8, &packed);
    list.large().begin_quicklist(&plain);
    list.push(End::Tail, b"9", &plain);
    assert_eq!(list.find(Needle::new(b"6")), Some(1));
    assert_eq!(list.find(Needle::new(b"9")), Some(3));
    assert_eq!(list.find(Needle::new(b"06")), None);
    assert_eq!(list.remove(Needle::new(b"9"), 1, End::Tail, &packed), 1);
}

#[test]
fn what_a_command_adds_makes_a_quicklist_of_a_listpack_that_it_does_not_fit() {
    let limits = Limits::new(3, 0, None);
    let mut list = numbers(0..3, &limits);
    assert_eq!(list.encoding(), "listpack");
    list.expect(0, 1, &limits);
    assert_eq!((list.encoding(), list.nodes()), ("quicklist", 1));
    let limits = Limits::new(-1, 0, None);
    let mut list = List::default();
    list.expect(4096 - 7, 3, &limits);
    assert_eq!(list.encoding(), "listpack");
    list.expect(4096 - 6, 3, &limits);
    assert_eq!(list.encoding(), "quicklist");
}

#[test]
fn a_quicklist_of_one_node_half_as_full_as_allowed_is_a_listpack_again() {
    let limits = Limits::new(6, 0, None);
    let mut list = numbers(0..7, &limits);
    assert_eq!((list.encoding(), list.nodes()), ("quicklist", 2));
    assert!(list.pop(End::Tail, &limits, |_| ()).is_some());
    assert_eq!((list.encoding(), list.nodes()), ("quicklist", 1));
    list.remove_range(0, 2, &limits);
    assert_eq!(list.encoding(), "quicklist");
    assert_eq!(list.remove(Needle::new(b"4"), 1, End::Tail, &limits), 1);
    assert_eq!(list.encoding(), "listpack");
    let mut list = numbers(0..7, &limits);
    assert!(list.pop(End::Tail, &limits, |_| ()).is_some());
    list.settle(&limits);
    assert_eq!(list.encoding(), "listpack");
}

#[test]
fn a_quicklist_keeps_to_the_limits_it_was_made_with() {
    let (three, five) = (Limits::new(3, 1, None), Limits::new(5, 0, None));
    let mut list = numbers(0..4, &three);
    (0..8).for_each(|_| list.push(End::Tail, b"x", &five));
    let figures = list.quicklist().expect("a quicklist");
    assert_eq!((figures.nodes, figures.size, figures.depth), (4, 3, 1));
}
