//! The names in a certificate that stand for users: `tls-auth-clients-user`.
//!
//! A certificate is read here after it was checked, but what an authority has signed may still be odd. A name is one
//! only if it is text without a NUL: what stands before a NUL would be another name for whoever ends texts there.

use pkcs8::der::{self, AnyRef, Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use rustls::pki_types::CertificateDer;

use super::x509::Certificate;
use crate::config::TlsClientUser;

/// The object identifier 2.5.4.3, encoded: a common name.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// The object identifier 2.5.29.17, encoded: other names of the subject.
const OTHER_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// The extensions among what follows the key.
const EXTENSIONS: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber::N3 };
/// A URI among other names.
const URI: Tag = Tag::ContextSpecific { constructed: false, number: TagNumber::N6 };

/// The names of users in a certificate, in its order: one common name at most, or any number of URIs.
pub fn user_names(certificate: &CertificateDer<'_>, field: TlsClientUser) -> Vec<String> {
    let Some(certificate) = Certificate::read(certificate) else { return Vec::new() };
    match field {
        TlsClientUser::Off => Vec::new(),
        TlsClientUser::CommonName => common_name(certificate.subject).ok().flatten().into_iter().collect(),
        TlsClientUser::Uri => uris(certificate.rest).unwrap_or_default(),
    }
}

/// The first common name of a subject. When that is no text, none: a further one is not what others would show.
fn common_name(subject: &[u8]) -> der::Result<Option<String>> {
    for set in content(subject, Tag::Sequence)? {
        for attribute in parts(value(set, Tag::Set)?)? {
            if let [kind, name] = parts(value(attribute, Tag::Sequence)?)?[..]
                && is_identifier(kind, COMMON_NAME)
            {
                return Ok(text(name));
            }
        }
    }
    Ok(None)
}

/// The URIs among the other names of the subject; `rest` is what follows the key.
fn uris(rest: &[u8]) -> der::Result<Vec<String>> {
    let Some(extensions) = parts(rest)?.into_iter().find(|part| part.tag() == EXTENSIONS) else {
        return Ok(Vec::new());
    };
    for extension in content(extensions.value(), Tag::Sequence)? {
        let fields = parts(value(extension, Tag::Sequence)?)?;
        // Whether it is critical may stand between the two.
        if let [kind, .., names] = fields[..]
            && is_identifier(kind, OTHER_NAMES)
        {
            let names = content(value(names, Tag::OctetString)?, Tag::Sequence)?;
            let uris = names.into_iter().filter(|name| name.tag() == URI);
            return Ok(uris.filter_map(|uri| ascii(uri.value())).collect());
        }
    }
    Ok(Vec::new())
}

/// The text of a name in one of the encodings that are in use.
fn text(name: AnyRef<'_>) -> Option<String> {
    let bytes = name.value();
    match name.tag() {
        Tag::Utf8String => plain(String::from_utf8(bytes.to_vec()).ok()?),
        Tag::PrintableString | Tag::Ia5String | Tag::TeletexString => ascii(bytes),
        Tag::BmpString => {
            let (units, odd) = bytes.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            if odd.is_empty() { plain(String::from_utf16(&units).ok()?) } else { None }
        }
        _ => None,
    }
}

fn ascii(bytes: &[u8]) -> Option<String> {
    if bytes.is_ascii() { plain(String::from_utf8(bytes.to_vec()).ok()?) } else { None }
}

/// A text that can be a name.
fn plain(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty() && !text.contains('\0'))
}

fn is_identifier(part: AnyRef<'_>, identifier: &[u8]) -> bool {
    part.tag() == Tag::ObjectIdentifier && part.value() == identifier
}

/// The parts of the one element that `bytes` begin with.
fn content(bytes: &[u8], tag: Tag) -> der::Result<Vec<AnyRef<'_>>> {
    parts(value(AnyRef::decode(&mut SliceReader::new(bytes)?)?, tag)?)
}

/// What is in an element that must have a tag.
fn value(element: AnyRef<'_>, tag: Tag) -> der::Result<&[u8]> {
    element.tag().assert_eq(tag)?;
    Ok(element.value())
}

/// The elements that stand one behind the other in `bytes`.
fn parts(bytes: &[u8]) -> der::Result<Vec<AnyRef<'_>>> {
    let mut found = Vec::new();
    if bytes.is_empty() {
        return Ok(found);
    }
    let mut reader = SliceReader::new(bytes)?;
    while !reader.is_finished() {
        found.push(AnyRef::decode(&mut reader)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UTF8: u8 = 0x0c;
    const PRINTABLE: u8 = 0x13;
    const TELETEX: u8 = 0x14;
    const BMP: u8 = 0x1e;
    const INTEGER: u8 = 0x02;
    const SEQUENCE: u8 = 0x30;
    const SET: u8 = 0x31;
    const OBJECT: u8 = 0x06;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut bytes = vec![tag];
        match length {
            0..0x80 => bytes.push(length as u8),
            0x80..0x100 => bytes.extend([0x81, length as u8]),
            _ => bytes.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        [bytes, content.to_vec()].concat()
    }

    fn attribute(kind: &[u8], tag: u8, name: &[u8]) -> Vec<u8> {
        element(SEQUENCE, &[element(OBJECT, kind), element(tag, name)].concat())
    }

    fn subject(sets: &[Vec<u8>]) -> Vec<u8> {
        element(SEQUENCE, &sets.iter().flat_map(|attributes| element(SET, attributes)).collect::<Vec<u8>>())
    }

    fn named(tag: u8, name: &[u8]) -> Vec<u8> {
        subject(&[attribute(&[0x55, 4, 10], UTF8, b"organization"), attribute(COMMON_NAME, tag, name)])
    }

    fn extensions(names: &[u8], critical: bool) -> Vec<u8> {
        let other =
            element(SEQUENCE, &[element(OBJECT, &[0x55, 0x1d, 0x0f]), element(0x04, &[3, 2, 7, 0x80])].concat());
        let critical = if critical { vec![1, 1, 0xff] } else { Vec::new() };
        let names = element(0x04, &element(SEQUENCE, names));
        let names = element(SEQUENCE, &[element(OBJECT, OTHER_NAMES), critical, names].concat());
        element(0xa3, &element(SEQUENCE, &[other, names].concat()))
    }

    /// A certificate with a subject, and with what follows its key.
    fn certificate(subject: &[u8], rest: &[u8]) -> Vec<u8> {
        let time = element(0x17, b"250101000000Z");
        let algorithm = element(SEQUENCE, &element(OBJECT, &[0x2a, 3]));
        let bits = element(0x03, &[0, 1]);
        let signed = [
            element(0xa0, &element(INTEGER, &[2])),
            element(INTEGER, &[1]),
            algorithm.clone(),
            element(SEQUENCE, &[]),
            element(SEQUENCE, &[time.clone(), time].concat()),
            subject.to_vec(),
            element(SEQUENCE, &[algorithm.clone(), bits.clone()].concat()),
            rest.to_vec(),
        ];
        element(SEQUENCE, &[element(SEQUENCE, &signed.concat()), algorithm, bits].concat())
    }

    fn read(bytes: Vec<u8>, field: TlsClientUser) -> Vec<String> {
        user_names(&CertificateDer::from(bytes), field)
    }

    fn common(subject: &[u8]) -> Vec<String> {
        read(certificate(subject, &[]), TlsClientUser::CommonName)
    }

    #[test]
    fn the_common_name_is_read_in_the_encodings_in_use() {
        for (tag, bytes, name) in [
            (UTF8, "Zo\u{eb} 1".as_bytes(), "Zo\u{eb} 1"),
            (PRINTABLE, b"Client-only", "Client-only"),
            (TELETEX, b"old", "old"),
            (BMP, &[0, b'a', 0x20, 0xac], "a\u{20ac}"),
        ] {
            assert_eq!(common(&named(tag, bytes)), [name]);
        }
        let two = subject(&[[attribute(COMMON_NAME, UTF8, b"a"), attribute(COMMON_NAME, UTF8, b"b")].concat()]);
        assert_eq!(common(&two), ["a"], "the first counts");
    }

    #[test]
    fn what_is_no_text_is_no_name() {
        for (tag, bytes) in [
            (UTF8, &b"admin\0.example"[..]),
            (UTF8, b"\0"),
            (UTF8, b""),
            (UTF8, b"\xff\xfe"),
            (UTF8, b"\xc0\x80"),
            (PRINTABLE, b"Zo\xc3\xab"),
            (TELETEX, b"Zo\xeb"),
            (BMP, b"abc"),
            (BMP, b"\xd8\x00"),
            (BMP, b"\0a\0\0"),
            (INTEGER, b"1"),
        ] {
            assert_eq!(common(&named(tag, bytes)), [""; 0], "{tag} {bytes:?}");
        }
        let second = [attribute(COMMON_NAME, UTF8, b"a\0"), attribute(COMMON_NAME, UTF8, b"b")];
        assert_eq!(common(&subject(&second)), [""; 0], "the second does not step in");
        assert_eq!(common(&subject(&[])), [""; 0]);
        assert_eq!(common(&subject(&[attribute(&[0x55, 4, 10], UTF8, b"organization")])), [""; 0]);
    }

    #[test]
    fn uris_are_read_in_their_order_and_other_names_passed_over() {
        let names = [
            element(0x82, b"localhost"),
            element(0x86, b"urn:user:one"),
            element(0xa4, &subject(&[])),
            element(0x86, b"urn:\0"),
            element(0x86, b""),
            element(0x86, b"\xc3\xab"),
            element(0x86, b"urn:user:two"),
        ]
        .concat();
        for critical in [false, true] {
            let rest = extensions(&names, critical);
            let with_ids = [element(0x81, &[0, 1]), element(0x82, &[0, 2]), rest.clone()].concat();
            for rest in [rest, with_ids] {
                let bytes = certificate(&named(UTF8, b"cn"), &rest);
                assert_eq!(read(bytes.clone(), TlsClientUser::Uri), ["urn:user:one", "urn:user:two"]);
                assert_eq!(read(bytes.clone(), TlsClientUser::CommonName), ["cn"]);
                assert_eq!(read(bytes, TlsClientUser::Off), [""; 0]);
            }
        }
        assert_eq!(read(certificate(&named(UTF8, b"cn"), &[]), TlsClientUser::Uri), [""; 0]);
    }

    proptest! {
        /// Whatever is damaged, reading it ends, and what it shows can be a name.
        #[test]
        fn damaged_certificates_show_names_or_nothing(
            name in proptest::collection::vec(any::<u8>(), 0..300),
            tag in any::<u8>(),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in proptest::option::of(any::<prop::sample::Index>()),
        ) {
            let rest = extensions(&[element(0x86, &name), element(tag, &name)].concat(), true);
            let mut bytes = certificate(&named(tag, &name), &rest);
            for (index, byte) in damage {
                *index.get_mut(&mut bytes) = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            for field in [TlsClientUser::CommonName, TlsClientUser::Uri] {
                for name in read(bytes.clone(), field) {
                    prop_assert!(!name.is_empty() && !name.contains('\0'));
                }
            }
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = common_name(&bytes);
            let _ = uris(&bytes);
            read(bytes, TlsClientUser::Uri);
        }
    }
}
