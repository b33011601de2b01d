//! The entry against a naive twin: a plain struct of its parts.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct Twin {
    key: Vec<u8>,
    value: Vec<u8>,
    expire: Option<i64>,
    access: u32,
}

impl Twin {
    fn check(&self, entry: &Entry) -> Result<(), TestCaseError> {
        let view = entry.view();
        prop_assert_eq!(view.key(), &self.key[..]);
        prop_assert_eq!(view.expire_at(), self.expire);
        prop_assert_eq!(view.access(), self.access);
        let value = view.string().map(StringRef::to_vec);
        prop_assert_eq!(value.as_ref(), Some(&self.value));
        prop_assert_eq!(view.string().map(StringRef::len), Some(self.value.len()));
        prop_assert_eq!(view.value_type().name(), "string");
        let long_key = if self.key.len() < 255 { 0 } else { 8 };
        let expire = if self.expire.is_some() { 8 } else { 0 };
        let front = 8 + expire + long_key + self.key.len();
        match view.kind() {
            Kind::Inline => {
                prop_assert_eq!(view.heap_bytes(0), size_class(front + self.value.len()))
            }
            Kind::Int => prop_assert_eq!(view.heap_bytes(0), size_class(front + 8)),
            Kind::Shared => {
                prop_assert!(view.heap_bytes(0) >= size_class(front + 8) + self.value.len())
            }
            kind => prop_assert!(false, "{kind:?} is no string"),
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
enum Operation {
    Set(Vec<u8>),
    SetInt(i64),
    Expire(Option<i64>),
    Access(u32),
    Rename(Vec<u8>),
    Duplicate(Vec<u8>),
    Append(Vec<u8>),
    Truncate(usize),
    Flip(usize),
    Share,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 0..70),
        2 => prop::collection::vec(any::<u8>(), 900..1200),
        1 => prop::collection::vec(any::<u8>(), 3000..4000),
        2 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        1 => (-5..5i64).prop_map(|number| number.to_string().into_bytes()),
    ]
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 0..40),
        2 => prop::collection::vec(any::<u8>(), 250..260),
        1 => prop::collection::vec(any::<u8>(), 3000..4000),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => bytes().prop_map(Operation::Set),
        2 => any::<i64>().prop_map(Operation::SetInt),
        4 => any::<Option<i64>>().prop_map(Operation::Expire),
        1 => (0..1u32 << ACCESS_BITS).prop_map(Operation::Access),
        1 => key().prop_map(Operation::Rename),
        1 => key().prop_map(Operation::Duplicate),
        4 => bytes().prop_map(Operation::Append),
        2 => (0..2000usize).prop_map(Operation::Truncate),
        2 => (0..2000usize).prop_map(Operation::Flip),
        1 => Just(Operation::Share),
    ]
}

#[test]
#[ignore = "takes more than 4 GiB of memory"]
fn a_key_may_be_longer_than_32_bits_can_tell() {
    let key = vec![7; u32::MAX as usize + 10];
    let mut entry = Entry::string(&key, b"value", None, 0);
    entry.set_expire(Some(9));
    assert!(entry.view().key() == key && entry.view().key_len() == key.len());
    assert_eq!(entry.view().string().map(StringRef::to_vec), Some(b"value".to_vec()));
}

proptest! {
    #[test]
    fn any_operations_agree_with_a_plain_struct(
        key in key(),
        value in bytes(),
        expire: Option<i64>,
        operations in prop::collection::vec(operation(), 0..40),
    ) {
        let mut entry = Entry::string(&key, &value, expire, 5);
        let mut twin = Twin { key, value, expire, access: 5 };
        // Earlier copies and shared values, which must stay as they were.
        let mut kept: Vec<(Entry, Twin)> = Vec::new();
        let mut shared: Vec<(Arc<Vec<u8>>, Vec<u8>)> = Vec::new();
        twin.check(&entry)?;
        for operation in operations {
            match operation {
                Operation::Set(value) => {
                    entry.set_string(&value);
                    twin.value = value;
                }
                Operation::SetInt(number) => {
                    entry.set_int(number);
                    twin.value = number.to_string().into_bytes();
                }
                Operation::Expire(expire) => {
                    entry.set_expire(expire);
                    twin.expire = expire;
                }
                Operation::Access(access) => {
                    entry.view().set_access(access);
                    twin.access = access;
                }
                Operation::Rename(key) => {
                    entry = entry.rename(&key);
                    twin.key = key;
                }
                Operation::Duplicate(key) => {
                    let copy = entry.duplicate(&key);
                    let renamed = Twin { key, ..twin.clone() };
                    renamed.check(&copy)?;
                    kept.push((std::mem::replace(&mut entry, copy), std::mem::replace(&mut twin, renamed)));
                }
                Operation::Append(value) => {
                    entry.append(&value);
                    twin.value.extend(value);
                    prop_assert_eq!(entry.view().encoding(), "raw");
                }
                Operation::Truncate(length) => {
                    entry.modify_bytes(|bytes| bytes.truncate(length));
                    twin.value.truncate(length);
                    prop_assert_eq!(entry.view().encoding(), "raw");
                }
                Operation::Flip(offset) => {
                    let integer = entry.view().kind() == Kind::Int;
                    match entry.bytes_mut() {
                        None => prop_assert!(integer),
                        Some(bytes) => {
                            prop_assert_eq!(&bytes, &twin.value);
                            if let (Some(byte), Some(twin)) = (bytes.get_mut(offset), twin.value.get_mut(offset)) {
                                (*byte, *twin) = (!*byte, !*twin);
                            }
                            prop_assert_eq!(entry.view().encoding(), "raw");
                        }
                    }
                }
                Operation::Share => {
                    if let Some(StringRef::Shared(value)) = entry.view().string() {
                        shared.push((value.to_arc(), twin.value.clone()));
                    }
                }
            }
            twin.check(&entry)?;
        }
        drop(entry);
        for (entry, twin) in &kept {
            twin.check(entry)?;
        }
        drop(kept);
        prop_assert!(shared.iter().all(|(value, twin)| **value == *twin));
        prop_assert!(shared.iter().all(|(value, _)| Arc::strong_count(value) <= shared.len()));
    }
}

#[test]
fn sixteen_byte_key_and_32_byte_value_take_56_bytes() {
    let entry = Entry::string(&[b'k'; 16], &[b'v'; 32], None, 0);
    assert_eq!(entry.view().heap_bytes(0), 56);
    let entry = Entry::string(&[b'k'; 16], b"123456789", None, 0);
    assert_eq!(entry.view().heap_bytes(0), 32);
    assert_eq!(size_of::<Entry>(), 8);
    assert_eq!(size_of::<Option<Entry>>(), 8);
}

#[test]
fn a_value_that_fits_is_overwritten_in_place() {
    let mut entry = Entry::string(b"key", &[b'v'; 32], Some(1), 0);
    let address = entry.0;
    entry.set_string(&[b'w'; 30]);
    entry.set_expire(Some(2));
    assert_eq!(entry.0, address);
    entry.set_string(&[b'w'; 20]);
    assert_ne!(entry.0, address);
    let mut entry = Entry::string(b"counter", b"1", None, 0);
    let address = entry.0;
    entry.set_int(i64::MAX);
    entry.set_string(b"-5");
    assert_eq!(entry.0, address);
}

#[test]
fn encodings_are_those_of_redis() {
    let encoding = |value: &[u8]| Entry::string(b"key", value, None, 0).view().encoding();
    assert_eq!(encoding(b"12"), "int");
    assert_eq!(encoding(b""), "embstr");
    assert_eq!(encoding(&[b'x'; 44]), "embstr");
    assert_eq!(encoding(&[b'x'; 45]), "raw");
    assert_eq!(encoding(&[b'x'; 5000]), "raw");
    let mut entry = Entry::string(b"key", b"12", None, 0);
    entry.append(b"3");
    assert_eq!(entry.view().encoding(), "raw");
    entry.set_string(b"abc");
    assert_eq!(entry.view().encoding(), "embstr");
}

#[test]
fn a_shared_value_outlives_its_entry_and_its_changes() {
    let mut entry = Entry::string(b"key", &[1; 5000], None, 0);
    let Some(StringRef::Shared(value)) = entry.view().string() else { panic!("not shared") };
    let reply = value.to_arc();
    entry.append(&[2]);
    assert_eq!(*reply, vec![1; 5000]);
    assert_eq!(Arc::strong_count(&reply), 1);
    drop(entry);
    assert_eq!(reply.len(), 5000);
}

#[test]
fn appending_to_a_long_string_seldom_moves_it() {
    let mut entry = Entry::string(b"key", &[b'x'; 2000], None, 0);
    let mut moves = 0;
    let mut before = std::ptr::null();
    for _ in 0..20_000 {
        entry.append(b"0123456789");
        let Some(StringRef::Shared(value)) = entry.view().string() else { panic!("not shared") };
        moves += usize::from(value.bytes().as_ptr() != before);
        before = value.bytes().as_ptr();
    }
    assert!(moves < 20, "{moves}");
}

#[test]
fn the_first_append_fills_the_block_that_a_long_string_has() {
    let address = |entry: &Entry| match entry.view().string() {
        Some(StringRef::Shared(value)) => value.bytes().as_ptr(),
        _ => panic!("not shared"),
    };
    let mut entry = Entry::string(b"key", &vec![b'x'; 4_000_000], None, 0);
    let before = address(&entry);
    entry.append(&vec![b'y'; size_class(4_000_000) - 4_000_000]);
    assert_eq!(address(&entry), before);
    entry.append(b"z");
    assert_eq!(entry.view().string().map(|value| value.to_vec().len()), Some(size_class(4_000_000) + 1));
}

#[test]
fn size_classes_waste_at_most_a_fifth() {
    for bytes in 1..300_000 {
        let class = size_class(bytes);
        assert!(class >= bytes && class.is_multiple_of(8) && size_class(class) == class);
        assert!(class - bytes < 8 || (class - bytes) * 5 <= class, "{bytes} in {class}");
    }
    let classes: Vec<usize> = [56, 57, 64, 65, 81, 97, 113, 129, 161].map(size_class).to_vec();
    assert_eq!(classes, [56, 64, 64, 80, 96, 112, 128, 160, 192]);
}

proptest! {
    #[test]
    fn text_is_kept_as_such_and_grows_with_zeros(
        value in bytes(),
        raw: bool,
        len_min in 0..3000usize,
        expire in any::<Option<i64>>(),
    ) {
        let mut twin = Twin { key: b"key".to_vec(), value: value.clone(), expire, access: 7 };
        let mut entry = Entry::text(b"key", value.clone(), raw, expire, 7);
        twin.check(&entry)?;
        prop_assert!(entry.view().kind() != Kind::Int);
        entry.set_int(5);
        entry.set_text(value.clone(), raw);
        twin.check(&entry)?;
        let embedded = !raw && value.len() <= EMBEDDED_MAX;
        prop_assert_eq!(entry.view().encoding(), if embedded { "embstr" } else { "raw" });
        entry.set_string(&value);
        twin.value.resize(value.len().max(len_min), 0);
        prop_assert_eq!(&*entry.bytes_grown(len_min), &twin.value[..]);
        twin.check(&entry)?;
        prop_assert_eq!(entry.view().encoding(), "raw");
    }
}
