//! Which versions and ciphers are spoken, in the words of OpenSSL that Redis's directives are written in.
//!
//! rustls speaks TLS 1.2 and 1.3 with ephemeral keys and authenticated encryption only: nine ciphers in all. A list
//! for OpenSSL chooses among them; what it names beyond is passed over, and a list of which nothing is left is refused.

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

use super::TlsError;

/// A cipher of TLS 1.2: its name, and the words a list may call it by.
struct Cipher {
    suite: CipherSuite,
    name: &'static str,
    words: &'static [&'static str],
}

/// What all of them are called.
const COMMON: &[&str] =
    &["ALL", "DEFAULT", "COMPLEMENTOFALL", "HIGH", "TLSV1.2", "AEAD", "ECDHE", "EECDH", "KECDHE", "KEECDH"];

const TLS12_CIPHERS: &[Cipher] = &[
    Cipher {
        suite: CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        words: &["AECDSA", "ECDSA", "AESGCM", "AES", "AES256"],
    },
    Cipher {
        suite: CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        words: &["ARSA", "AESGCM", "AES", "AES256"],
    },
    Cipher {
        suite: CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        words: &["AECDSA", "ECDSA", "CHACHA20"],
    },
    Cipher {
        suite: CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        words: &["ARSA", "CHACHA20"],
    },
    Cipher {
        suite: CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        words: &["AECDSA", "ECDSA", "AESGCM", "AES", "AES128"],
    },
    Cipher {
        suite: CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        words: &["ARSA", "AESGCM", "AES", "AES128"],
    },
];

/// `tls-protocols`: the versions named, both of ours when there are none.
///
/// # Errors
/// When a word is no version, or no version is left that rustls speaks.
pub fn protocols(list: Option<&str>) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(vec![&TLS13, &TLS12]) };
    let mut versions = Vec::new();
    for word in list.split(' ') {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.3" => versions.push(&TLS13),
            "tlsv1.2" => versions.push(&TLS12),
            "tlsv1" | "tlsv1.1" => log::warn!("{word} is specified in tls-protocols but no longer spoken."),
            _ => {
                let text = "Invalid tls-protocols specified. Use a combination of 'TLSv1.2' and 'TLSv1.3'.";
                return Err(TlsError(text.to_owned()));
            }
        }
    }
    if versions.is_empty() {
        return Err(TlsError(format!("No version of tls-protocols is spoken: {list}")));
    }
    Ok(versions)
}

/// Leaves a provider those ciphers that `tls-ciphers` and `tls-ciphersuites` name, in their order.
///
/// # Errors
/// When one of the lists leaves nothing.
pub fn restrict(
    provider: &mut CryptoProvider,
    ciphers: Option<&str>,
    ciphersuites: Option<&str>,
) -> Result<(), TlsError> {
    let (tls13, tls12): (Vec<_>, Vec<_>) = provider.cipher_suites.iter().partition(|suite| suite.version() == &TLS13);
    let tls13 = match ciphersuites.filter(|list| !list.is_empty()) {
        None => tls13,
        Some(list) => chosen(&tls13, named_suites(list))
            .ok_or_else(|| TlsError(format!("Failed to configure ciphersuites: {list}")))?,
    };
    let tls12 = match ciphers.filter(|list| !list.is_empty()) {
        None => tls12,
        Some(list) => {
            let fail = || TlsError(format!("Failed to configure ciphers: {list}: none of them is supported"));
            chosen(&tls12, listed_ciphers(list)).ok_or_else(fail)?
        }
    };
    provider.cipher_suites = tls13.into_iter().chain(tls12).collect();
    Ok(())
}

fn chosen(from: &[SupportedCipherSuite], wanted: Vec<CipherSuite>) -> Option<Vec<SupportedCipherSuite>> {
    let find = |suite| from.iter().find(|known| known.suite() == suite).copied();
    Some(wanted.into_iter().filter_map(find).collect::<Vec<_>>()).filter(|chosen| !chosen.is_empty())
}

fn named_suites(list: &str) -> Vec<CipherSuite> {
    list.split(':')
        .filter_map(|name| match name.to_ascii_uppercase().as_str() {
            "TLS_AES_128_GCM_SHA256" => Some(CipherSuite::TLS13_AES_128_GCM_SHA256),
            "TLS_AES_256_GCM_SHA384" => Some(CipherSuite::TLS13_AES_256_GCM_SHA384),
            "TLS_CHACHA20_POLY1305_SHA256" => Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
            _ => None,
        })
        .collect()
}

/// Reads a list in OpenSSL's language: words add ciphers, `-` takes them out, `!` for good, `+` moves them to the end.
fn listed_ciphers(list: &str) -> Vec<CipherSuite> {
    let (mut chosen, mut banned) = (Vec::new(), Vec::new());
    for word in list.split([':', ',', ' ']).filter(|word| !word.is_empty() && !word.starts_with('@')) {
        let (operator, word) = match word.split_at(1) {
            (operator @ ("-" | "!" | "+"), word) => (operator, word),
            _ => ("", word),
        };
        let matching: Vec<CipherSuite> =
            TLS12_CIPHERS.iter().filter(|cipher| cipher.is_called(word)).map(|cipher| cipher.suite).collect();
        let had: Vec<CipherSuite> = chosen.iter().filter(|suite| matching.contains(suite)).copied().collect();
        match operator {
            "" => chosen.extend(matching.into_iter().filter(|suite| !had.contains(suite) && !banned.contains(suite))),
            _ => chosen.retain(|suite| !had.contains(suite)),
        }
        match operator {
            "!" => banned.extend(TLS12_CIPHERS.iter().filter(|cipher| cipher.is_called(word)).map(|c| c.suite)),
            "+" => chosen.extend(had),
            _ => {}
        }
    }
    chosen
}

impl Cipher {
    /// Whether a word of a list means this one: its name, or words joined by `+` that all apply.
    fn is_called(&self, word: &str) -> bool {
        let is_called = |word: &str| {
            let word = word.to_ascii_uppercase();
            word == self.name || self.words.iter().chain(COMMON).any(|known| *known == word)
        };
        word.split('+').all(is_called)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&'static str> {
        let suites = listed_ciphers(list);
        let name = |suite| TLS12_CIPHERS.iter().find(|cipher| cipher.suite == suite).map(|cipher| cipher.name);
        suites.into_iter().filter_map(name).collect()
    }

    #[test]
    fn a_list_names_adds_removes_and_moves_ciphers() {
        assert_eq!(names("DEFAULT").len(), 6);
        assert_eq!(names("AES128-SHA256:AES256-SHA256"), [""; 0], "keys that are not ephemeral are not supported");
        assert_eq!(names("ECDHE-RSA-AES128-GCM-SHA256:nosuch"), ["ECDHE-RSA-AES128-GCM-SHA256"]);
        assert_eq!(names("aRSA+AESGCM"), ["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]);
        assert_eq!(names("HIGH:!aECDSA:-CHACHA20:@STRENGTH").len(), 2);
        assert_eq!(names("!AES:ALL:-ECDSA"), ["ECDHE-RSA-CHACHA20-POLY1305"]);
        assert_eq!(names("ALL:+AES256").last(), Some(&"ECDHE-RSA-AES256-GCM-SHA384"));
    }

    #[test]
    fn versions_are_those_of_the_list_that_are_spoken() {
        assert_eq!(protocols(None).unwrap().len(), 2);
        assert_eq!(protocols(Some("")).unwrap().len(), 2);
        assert_eq!(protocols(Some("TLSv1.2")).unwrap(), [&TLS12]);
        assert_eq!(protocols(Some("tlsv1.1 TLSv1.3")).unwrap(), [&TLS13]);
        assert!(protocols(Some("TLSv1 TLSv1.1")).is_err());
        assert!(protocols(Some("TLSv1.2 SSLv3")).is_err());
    }

    #[test]
    fn a_provider_is_left_with_what_the_lists_name() {
        let restricted = |ciphers, suites| {
            let mut provider = rustls::crypto::aws_lc_rs::default_provider();
            restrict(&mut provider, ciphers, suites).map(|()| provider.cipher_suites.len())
        };
        assert_eq!(restricted(None, None).unwrap(), 9);
        assert_eq!(restricted(Some("DEFAULT"), Some("TLS_AES_128_GCM_SHA256")).unwrap(), 7);
        assert_eq!(restricted(Some("AES128"), None).unwrap(), 5);
        assert!(restricted(Some("RC4"), None).is_err());
        assert!(restricted(None, Some("nosuch")).is_err());
    }
}
