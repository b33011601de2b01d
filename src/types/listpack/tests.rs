use proptest::prelude::*;

use super::thin::ThinBytes;
use super::*;

/// A listpack and what it should hold.
#[derive(Default)]
struct Twins<S: Storage> {
    pack: Pack<S>,
    naive: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Change {
    Insert(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    Truncate(usize),
    AppendSelf,
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        3 => (any::<i64>(), 0u32..64).prop_map(|(value, shift)| (value >> shift).to_string().into_bytes()),
        1 => prop::sample::select(vec![-4097i64, -4096, -1, 0, 127, 128, 4095, 4096, 32767, 32768, -32769, 8_388_607,
            8_388_608, -8_388_609, 2_147_483_647, 2_147_483_648, i64::MIN, i64::MAX])
            .prop_map(|value| value.to_string().into_bytes()),
        1 => prop::sample::select(vec!["", "-", "-0", "+1", "01", "1 ", "9223372036854775808", "12345678901234567890"])
            .prop_map(|text| text.as_bytes().to_vec()),
        4 => prop::collection::vec(any::<u8>(), 0..80),
        1 => prop::sample::select(vec![63usize, 64, 125, 126, 127, 128, 4095, 4096, 16_379, 16_380, 16_381, 16_384])
            .prop_map(|length| vec![b'x'; length]),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (any::<usize>(), text()).prop_map(|(at, text)| Change::Insert(at, text)),
        2 => (any::<usize>(), text()).prop_map(|(at, text)| Change::Replace(at, text)),
        2 => (any::<usize>(), 0usize..4).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => any::<usize>().prop_map(Change::Truncate),
        1 => Just(Change::AppendSelf),
    ]
}

impl<S: Storage + Clone> Twins<S> {
    fn position(&self, index: usize) -> Position {
        self.pack.seek(index as isize).unwrap_or_else(|| self.pack.end())
    }

    fn change(&mut self, change: Change) {
        let length = self.naive.len();
        match change {
            Change::Insert(at, text) => {
                let at = at % (length + 1);
                self.pack.insert(self.position(at), &[Element::of(&text)]);
                self.naive.insert(at, text);
            }
            Change::Remove(at, count) => {
                let at = at % (length + 1);
                let removed = self.pack.remove_many(self.position(at), count);
                assert_eq!(self.naive.drain(at..length.min(at + count)).count(), removed);
            }
            Change::Truncate(at) => {
                let at = at % (length + 1);
                self.pack.remove_many(self.position(at), length - at);
                self.naive.truncate(at);
            }
            Change::AppendSelf if length < 200 => {
                let copy = self.pack.clone();
                self.pack.append(&copy);
                self.naive.extend_from_within(..);
            }
            Change::Replace(at, text) if length > 0 => {
                self.pack.replace(self.position(at % length), Element::of(&text));
                self.naive[at % length] = text;
            }
            Change::Replace(..) | Change::AppendSelf => {}
        }
    }

    fn check(&self) {
        let (pack, naive) = (&self.pack, &self.naive);
        assert!(is_valid(pack.bytes()), "{:?}", pack.bytes());
        assert_eq!(pack.len(), naive.len());
        assert_eq!(pack.is_empty(), naive.is_empty());
        assert_eq!(&pack.iter().map(Element::to_vec).collect::<Vec<_>>(), naive);
        let mut backwards: Vec<_> = pack.iter().rev().map(Element::to_vec).collect();
        backwards.reverse();
        assert_eq!(&backwards, naive);
        for (index, text) in naive.iter().enumerate() {
            let at = pack.seek(index as isize).expect("an element");
            assert_eq!(pack.seek(index as isize - naive.len() as isize), Some(at));
            assert!(pack.get(at).equals(text));
            assert_eq!(pack.get(at).text_len(), text.len());
            let found = pack.find(text, HEADER_BYTES, 1).expect("it is there");
            assert!(found <= at && pack.get(found).equals(text));
        }
        assert_eq!(pack.seek(naive.len() as isize), None);
        assert_eq!(pack.seek(-(naive.len() as isize) - 1), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_listpack_does_what_a_vector_of_texts_does(changes in prop::collection::vec(change(), 0..40)) {
        let mut exact = Twins::<Box<[u8]>>::default();
        let mut roomy = Twins::<Vec<u8>>::default();
        let mut thin = Twins::<ThinBytes>::default();
        for change in changes {
            thin.change(change.clone());
            exact.change(change.clone());
            exact.check();
            roomy.change(change);
        }
        roomy.check();
        thin.check();
        let thin = thin.pack.clone();
        prop_assert_eq!(exact.pack.bytes(), thin.bytes());
        prop_assert_eq!(exact.pack.bytes(), roomy.pack.bytes());
        prop_assert_eq!(exact.pack.into_roomy().into_bytes(), roomy.pack.into_exact().into_bytes());
    }

    #[test]
    fn elements_written_together_and_taken_off_together_are_the_same(
        texts in prop::collection::vec(text(), 0..20),
        before in 0usize..3,
        cut in 0usize..25,
    ) {
        let mut one_by_one = RoomyListpack::new();
        texts.iter().for_each(|text| one_by_one.push_back(text));
        let mut pack = RoomyListpack::new();
        texts.iter().take(before).for_each(|text| pack.push_back(text));
        pack.extend(|writer| texts.iter().skip(before).for_each(|text| writer.push_text(text)));
        prop_assert_eq!(pack.bytes(), one_by_one.bytes());

        let texts_of = |elements: Elements<'_>| elements.map(Element::to_vec).collect::<Vec<_>>();
        let (mut front, mut back) = (pack.iter(), pack.iter());
        if cut > texts.len() {
            prop_assert!(front.split_front(cut).is_none() && back.split_back(cut).is_none());
        } else {
            prop_assert_eq!(&texts_of(front.split_front(cut).expect("elements"))[..], &texts[..cut]);
            prop_assert_eq!(front.position(), pack.seek(cut as isize).unwrap_or(pack.end()));
            prop_assert_eq!(&texts_of(front)[..], &texts[cut..]);
            let rest = texts.len() - cut;
            prop_assert_eq!(&texts_of(back.split_back(cut).expect("elements"))[..], &texts[rest..]);
            prop_assert_eq!(back.end_position(), pack.seek(rest as isize).unwrap_or(pack.end()));
            prop_assert_eq!(&texts_of(pack.iter().starting_at(back.end_position()))[..], &texts[rest..]);
            prop_assert_eq!(&texts_of(back)[..], &texts[..rest]);
        }
    }

    #[test]
    fn a_stride_looks_at_every_second_element(texts in prop::collection::vec(text(), 0..20), text in text()) {
        let mut pack = Listpack::new();
        texts.iter().for_each(|text| pack.push_back(text));
        for sought in texts.iter().chain([&text]) {
            let expected = texts.iter().step_by(2).position(|text| text == sought).map(|index| 2 * index);
            let found = pack.find(sought, HEADER_BYTES, 2);
            prop_assert_eq!(found, expected.and_then(|index| pack.seek(index as isize)));
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_can_be_walked(
        texts in prop::collection::vec(text(), 0..8), at in any::<usize>(), byte in any::<u8>(),
    ) {
        let mut pack = Listpack::new();
        texts.iter().for_each(|text| pack.push_back(text));
        let mut bytes = pack.into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Some(pack) = Listpack::checked(bytes) {
            prop_assert_eq!(pack.iter().count(), pack.iter().rev().count());
            prop_assert_eq!(pack.len(), pack.iter().count());
        }
    }
}

#[test]
fn cut_and_empty_bytes_are_refused() {
    let mut pack = Listpack::new();
    pack.push_back(b"hello");
    pack.push_back_int(1 << 40);
    let bytes = pack.into_bytes();
    assert!((0..bytes.len()).all(|length| Listpack::checked(bytes[..length].to_vec()).is_none()));
    assert!(Listpack::checked(bytes).is_some());
}

#[test]
fn the_bytes_are_those_of_redis() {
    let mut pack = Listpack::new();
    for text in ["1", "-1", "ab", "300", "70000"] {
        pack.push_back(text.as_bytes());
    }
    let expected: &[u8] =
        &[26, 0, 0, 0, 5, 0, 1, 1, 0xdf, 0xff, 2, 0x82, b'a', b'b', 3, 0xc1, 0x2c, 2, 0xf2, 0x70, 0x11, 0x01, 4, 0xff];
    assert_eq!(pack.bytes()[6..], expected[6..]);
    assert_eq!(pack.bytes().len(), expected.len());
}

#[test]
fn more_elements_than_the_header_can_tell_are_counted() {
    let mut pack = RoomyListpack::new();
    for index in 0..70_000 {
        pack.push_back_int(index);
    }
    assert_eq!(pack.len(), 70_000);
    assert_eq!(pack.seek(69_999).map(|at| pack.get(at)), Some(Element::Int(69_999)));
    assert_eq!(pack.seek(-70_000).map(|at| pack.get(at)), Some(Element::Int(0)));
    assert_eq!(pack.seek(70_000), None);
    let at = pack.seek(10).expect("an element");
    pack.remove_many(at, 69_990);
    assert!(is_valid(pack.bytes()));
    assert_eq!(pack.len(), 10);
}

#[test]
fn an_exact_listpack_fits_a_collection_of_two_forms() {
    enum TwoForms {
        _Small(Listpack),
        _Large(Box<u64>),
    }
    assert_eq!(size_of::<Listpack>(), 16);
    assert_eq!(size_of::<TwoForms>(), 16);
}
