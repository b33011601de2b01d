//! Certificates and keys in files.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::TlsError;
use super::x509::Certificate;

/// Where a system keeps the certificates of public authorities.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
];
const ENCRYPTED_BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const ENCRYPTED_END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
/// A line of the format which OpenSSL used for keys before 3.0, when they are encrypted.
const ENCRYPTED_OLD: &str = "Proc-Type: 4,ENCRYPTED";

/// Reads a certificate with those of its issuers, and its private key.
///
/// # Errors
/// When a file cannot be read, the password is wrong, or the two don't belong together.
pub fn identity(
    certificate: &str,
    key: &str,
    password: Option<&str>,
    provider: &CryptoProvider,
) -> Result<Arc<SingleCertAndKey>, TlsError> {
    let fail = |error: String| TlsError(format!("Failed to load certificate: {certificate}: {error}"));
    let chain = certificates(Path::new(certificate)).map_err(fail)?;
    let leaf = chain.first().and_then(Certificate::read).ok_or_else(|| fail("not a certificate".to_owned()))?;
    let fail = |error: String| TlsError(format!("Failed to load private key: {key}: {error}"));
    let private = private_key(Path::new(key), password).map_err(fail)?;
    let signer = provider.key_provider.load_private_key(private).map_err(|error| fail(error.to_string()))?;
    if signer.public_key().is_some_and(|public| public.as_ref() != leaf.public_key_info) {
        return Err(fail("the key is not that of the certificate".to_owned()));
    }
    Ok(Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, signer))))
}

/// Reads the certificates of trusted authorities: all of a file, and all of a folder.
///
/// # Errors
/// When one of the two cannot be read, or there is no certificate in the file.
pub fn authorities(file: Option<&str>, folder: Option<&str>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fail = |error| TlsError(format!("Failed to configure CA certificate(s) file/directory: {error}"));
    let mut found = Vec::new();
    if let Some(file) = file {
        found = certificates(Path::new(file)).map_err(|error| fail(format!("{file}: {error}")))?;
    }
    if let Some(folder) = folder {
        let entries = fs::read_dir(folder).map_err(|error| fail(format!("{folder}: {error}")))?;
        for entry in entries.flatten() {
            // Whatever else lies there is none of our business.
            let more = certificates(&entry.path()).unwrap_or_default();
            found.extend(more.into_iter().filter(|one| !found.contains(one)).collect::<Vec<_>>());
        }
    }
    Ok(found)
}

/// The public authorities this system trusts.
pub fn system_authorities() -> Vec<CertificateDer<'static>> {
    let named = std::env::var("SSL_CERT_FILE").ok();
    let mut bundles = named.as_deref().into_iter().chain(SYSTEM_BUNDLES);
    bundles.find_map(|bundle| certificates(Path::new(bundle)).ok()).unwrap_or_default()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err("no certificate is in it".to_owned()),
        found => found.map_err(|error| error.to_string()),
    }
}

fn private_key(path: &Path, password: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let shown = String::from_utf8_lossy(&text);
    if shown.contains(ENCRYPTED_OLD) {
        return Err("its encryption is that of old versions of OpenSSL; `openssl pkcs8 -topk8` converts it".to_owned());
    }
    let encrypted = shown.find(ENCRYPTED_BEGIN).map(|begin| &shown[begin..]);
    let encrypted = encrypted.and_then(|rest| Some(&rest[..rest.find(ENCRYPTED_END)? + ENCRYPTED_END.len()]));
    let Some(encrypted) = encrypted else {
        return PrivateKeyDer::from_pem_slice(&text).map_err(|error| error.to_string());
    };
    let password = password.ok_or("it is encrypted and there is no password")?;
    let (_, document) = SecretDocument::from_pem(encrypted).map_err(|error| error.to_string())?;
    let info = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|error| error.to_string())?;
    let key = info.decrypt(password).map_err(|_| "it cannot be decrypted with this password")?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}
