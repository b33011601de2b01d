//! The fields of a certificate that rustls does not show.
//!
//! rustls reads certificates of version 3 only. Those of version 1, which `openssl x509 -req` makes when it is given
//! no extensions, are common in private set-ups, so what is needed to check them is read here.
//!
//! Own code, on top of the crate `der`: `x509-parser` reads the same parts with 27 crates more, and `x509-cert` does
//! not keep the bytes that were signed but writes them anew.

use std::time::Duration;

use pkcs8::der::asn1::{BitStringRef, GeneralizedTime, UtcTime};
use pkcs8::der::{self, AnyRef, Decode, Header, Reader, SliceReader, Tag, TagNumber};
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};

/// The parts of a certificate, borrowed from its DER encoding.
#[derive(Debug)]
pub struct Certificate<'a> {
    /// Whether it is of version 1: it has no extensions.
    pub is_version_1: bool,
    /// Who signed it, encoded.
    pub issuer: &'a [u8],
    /// Whose it is, encoded.
    pub subject: &'a [u8],
    /// The public key with its algorithm, encoded.
    pub public_key_info: &'a [u8],
    /// What is signed behind the key: extensions, if there are any, encoded.
    pub rest: &'a [u8],
    not_before: Duration,
    not_after: Duration,
    /// What is signed.
    signed: &'a [u8],
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
}

/// A public key in its two parts.
#[derive(Debug)]
pub struct PublicKey<'a> {
    /// The content of its algorithm identifier.
    algorithm: &'a [u8],
    key: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate; `None` when it is none.
    pub fn read(der: &'a CertificateDer<'_>) -> Option<Certificate<'a>> {
        read_certificate(der).ok()
    }

    /// Whether it is valid at a point of time.
    pub fn is_valid_at(&self, now: UnixTime) -> bool {
        (self.not_before.as_secs()..=self.not_after.as_secs()).contains(&now.as_secs())
    }

    /// Whether the owner of `other` has signed it.
    pub fn is_signed_by(&self, other: &Certificate<'_>, algorithms: &[&dyn SignatureVerificationAlgorithm]) -> bool {
        let Some(key) = PublicKey::read(other.public_key_info) else { return false };
        self.issuer == other.subject
            && algorithms.iter().any(|algorithm| {
                algorithm.signature_alg_id().as_ref() == self.signature_algorithm
                    && key.verifies(*algorithm, self.signed, self.signature)
            })
    }
}

impl<'a> PublicKey<'a> {
    /// Reads what [`Certificate::public_key_info`] holds.
    pub fn read(info: &'a [u8]) -> Option<PublicKey<'a>> {
        let read = |info| {
            SliceReader::new(info)?.sequence(|fields| {
                let algorithm = AnyRef::decode(fields)?.value();
                Ok(PublicKey { algorithm, key: BitStringRef::decode(fields)?.raw_bytes() })
            })
        };
        read(info).ok()
    }

    /// Whether a signature was made with its private half.
    pub fn verifies(&self, algorithm: &dyn SignatureVerificationAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        algorithm.public_key_alg_id().as_ref() == self.algorithm
            && algorithm.verify_signature(self.key, message, signature).is_ok()
    }
}

fn read_certificate<'a>(der: &'a [u8]) -> der::Result<Certificate<'a>> {
    SliceReader::new(der)?.sequence(|outer| {
        let signed = outer.tlv_bytes()?;
        let signature_algorithm = AnyRef::decode(outer)?.value();
        let signature = BitStringRef::decode(outer)?.raw_bytes();
        read_signed(signed, signature_algorithm, signature)
    })
}

fn read_signed<'a>(
    signed: &'a [u8],
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
) -> der::Result<Certificate<'a>> {
    const VERSION: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };
    let mut reader = SliceReader::new(signed)?;
    Header::decode(&mut reader)?;
    let is_version_1 = reader.peek_tag()? != VERSION;
    // Version, serial number, the signature's algorithm once more.
    for _ in usize::from(is_version_1)..3 {
        reader.tlv_bytes()?;
    }
    let issuer = reader.tlv_bytes()?;
    let (not_before, not_after) = reader.sequence(|times| Ok((read_time(times)?, read_time(times)?)))?;
    let subject = reader.tlv_bytes()?;
    let public_key_info = reader.tlv_bytes()?;
    let rest = reader.read_slice(reader.remaining_len())?;
    Ok(Certificate {
        is_version_1,
        issuer,
        subject,
        public_key_info,
        rest,
        not_before,
        not_after,
        signed,
        signature_algorithm,
        signature,
    })
}

fn read_time<'a>(reader: &mut impl Reader<'a>) -> der::Result<Duration> {
    match reader.peek_tag()? {
        Tag::UtcTime => Ok(UtcTime::decode(reader)?.to_unix_duration()),
        _ => Ok(GeneralizedTime::decode(reader)?.to_unix_duration()),
    }
}
