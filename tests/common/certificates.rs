//! Certificates for tests, made by the `openssl` command in a temporary folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const EXTENSIONS: &str = "keyUsage=digitalSignature\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n";

const URIS: &str = "subjectAltName=URI:urn:user:one,DNS:localhost,URI:urn:user:two\n";

/// An authority, and what it has signed; each has NAME.crt and NAME.key.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes the certificates `server`, `client`, `plain` (of version 1), `named` (with the URIs `urn:user:one` and
    /// `urn:user:two`), `nameless` (without a common name), `old` (expired), all signed by `ca`; `self` and `stranger`,
    /// signed by themselves; `ca-dir`, a folder with that of `ca`; and `locked.key`, the key of `server` under the
    /// password `1234`.
    pub fn make() -> Certificates {
        let certificates = Certificates { folder: tempfile::tempdir().expect("a temporary directory") };
        certificates.sign_oneself("ca");
        certificates.sign_oneself("self");
        certificates.sign_oneself("stranger");
        std::fs::write(certificates.path("extensions"), EXTENSIONS).expect("a file");
        certificates.sign("server", &["-extfile", "extensions", "-days", "10"]);
        certificates.sign("client", &["-extfile", "extensions", "-days", "10"]);
        certificates.sign("plain", &["-days", "10"]);
        std::fs::write(certificates.path("uris"), URIS).expect("a file");
        certificates.sign("named", &["-extfile", "uris", "-days", "10"]);
        certificates.sign_for("nameless", "/O=nobody", &["-extfile", "extensions", "-days", "10"]);
        certificates.sign("old", &["-days", "-1"]);
        certificates.openssl(&["pkey", "-in", "server.key", "-aes256", "-passout", "pass:1234", "-out", "locked.key"]);
        std::fs::create_dir(certificates.path("ca-dir")).expect("a folder");
        std::fs::copy(certificates.path("ca.crt"), certificates.path("ca-dir/one.pem")).expect("a copy");
        certificates
    }

    /// Where a file is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a key and a certificate that its owner has signed.
    pub fn sign_oneself(&self, name: &str) {
        let (key, certificate, subject) = (format!("{name}.key"), format!("{name}.crt"), format!("/CN={name}"));
        self.key(&key);
        self.openssl(&["req", "-x509", "-new", "-key", &key, "-days", "10", "-subj", &subject, "-out", &certificate]);
    }

    /// Makes a key and a certificate signed by `ca`; its common name is the file's.
    pub fn sign(&self, name: &str, options: &[&str]) {
        self.sign_for(name, &format!("/CN={name}"), options);
    }

    /// The same for any subject.
    pub fn sign_for(&self, name: &str, subject: &str, options: &[&str]) {
        let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.crt"));
        self.key(&key);
        self.openssl(&["req", "-new", "-key", &key, "-subj", subject, "-out", &request]);
        let sign = ["x509", "-req", "-in", &request, "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
        self.openssl(&[&sign, options, &["-out", &certificate]].concat());
    }

    fn key(&self, name: &str) {
        self.openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", name]);
    }

    fn openssl(&self, arguments: &[&str]) {
        let done = Command::new("openssl").args(arguments).current_dir(self.folder.path()).output();
        let done = done.expect("the openssl command, which makes certificates");
        assert!(done.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
