//! Who is trusted: the check of the other side's certificate.
//!
//! As in Redis it counts that an authority we trust has signed it and that it has not expired; names are not compared,
//! since nodes are known by addresses that change. Beyond what rustls accepts by itself there are two kinds of
//! certificates which OpenSSL accepts and private set-ups have: those which are trusted themselves (self-signed), and
//! those of version 1 (see [`super::x509`]) that a trusted authority has signed directly.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, RootCertStore, SignatureScheme,
};

use super::x509::{Certificate, PublicKey};

/// The certificates of authorities that are trusted.
#[derive(Debug)]
pub struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Authorities {
    /// Trusts the owners of some certificates; those which cannot be read are passed over.
    pub fn new(certificates: Vec<CertificateDer<'static>>, provider: &CryptoProvider) -> Authorities {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).ok();
        }
        let algorithms = provider.signature_verification_algorithms;
        Authorities { certificates, roots: Arc::new(roots), algorithms }
    }

    /// Accepts, where rustls does not, a certificate that is trusted itself or of version 1.
    fn accept_plain(&self, leaf: &CertificateDer<'_>, now: UnixTime, refusal: Error) -> Result<(), Error> {
        let Some(parsed) = Certificate::read(leaf) else { return Err(refusal) };
        let is_trusted = self.certificates.iter().any(|trusted| trusted == leaf);
        let is_signed = || {
            let authorities = self.certificates.iter().filter_map(Certificate::read);
            let mut valid = authorities.filter(|authority| authority.is_valid_at(now));
            valid.any(|authority| parsed.is_signed_by(&authority, self.algorithms.all))
        };
        let is_accepted = is_trusted || parsed.is_version_1 && is_signed();
        if !is_accepted {
            return Err(if parsed.is_version_1 { CertificateError::UnknownIssuer.into() } else { refusal });
        }
        if parsed.is_valid_at(now) { Ok(()) } else { Err(CertificateError::Expired.into()) }
    }
}

/// Checks that a handshake was signed with the key of a certificate.
#[derive(Debug, Clone, Copy)]
struct Signatures(WebPkiSupportedAlgorithms);

impl Signatures {
    fn tls12(
        self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Some(parsed) = Certificate::read(certificate).filter(|parsed| parsed.is_version_1) else {
            return verify_tls12_signature(message, certificate, signed, &self.0);
        };
        let key = PublicKey::read(parsed.public_key_info).ok_or(CertificateError::BadEncoding)?;
        let (_, algorithms) = (self.0.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme))
            .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        if algorithms.iter().any(|algorithm| key.verifies(*algorithm, message, signed.signature())) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        Err(CertificateError::BadSignature.into())
    }

    fn tls13(
        self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match Certificate::read(certificate).filter(|parsed| parsed.is_version_1) {
            Some(parsed) => {
                let key = SubjectPublicKeyInfoDer::from(parsed.public_key_info);
                verify_tls13_signature_with_raw_key(message, &key, signed, &self.0)
            }
            None => verify_tls13_signature(message, certificate, signed, &self.0),
        }
    }
}

/// The check of servers.
#[derive(Debug)]
pub struct ServerVerifier {
    /// `None` trusts everybody.
    authorities: Option<Arc<Authorities>>,
    signatures: Signatures,
}

impl ServerVerifier {
    /// Trusts whom `authorities` have signed, or everybody.
    pub fn new(authorities: Option<Arc<Authorities>>, provider: &CryptoProvider) -> ServerVerifier {
        ServerVerifier { authorities, signatures: Signatures(provider.signature_verification_algorithms) }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        let verified = ParsedCertificate::try_from(leaf).and_then(|parsed| {
            let (roots, all) = (&authorities.roots, authorities.algorithms.all);
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, all)
        });
        verified.or_else(|error| authorities.accept_plain(leaf, now, error))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.0.supported_schemes()
    }
}

/// The check of clients.
#[derive(Debug)]
pub struct ClientVerifier {
    authorities: Arc<Authorities>,
    /// The check by rustls; `None` while no authority is trusted.
    by_rustls: Option<Arc<dyn ClientCertVerifier>>,
    is_mandatory: bool,
    signatures: Signatures,
}

impl ClientVerifier {
    /// Trusts whom `authorities` have signed; whether a client without a certificate is refused.
    pub fn new(authorities: Arc<Authorities>, is_mandatory: bool, provider: &Arc<CryptoProvider>) -> ClientVerifier {
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&authorities.roots), Arc::clone(provider));
        let signatures = Signatures(provider.signature_verification_algorithms);
        ClientVerifier { authorities, by_rustls: builder.build().ok(), is_mandatory, signatures }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.by_rustls.as_ref().map_or(&[], |verifier| verifier.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = match &self.by_rustls {
            Some(verifier) => verifier.verify_client_cert(leaf, intermediates, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        verified.or_else(|error| {
            self.authorities.accept_plain(leaf, now, error)?;
            Ok(ClientCertVerified::assertion())
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.0.supported_schemes()
    }
}
