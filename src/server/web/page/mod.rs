//! The page: one file, with its style and script inside, that asks nobody else for anything.
//!
//! It is read-only: what it shows comes from `/history` once and from `/events` each second, and is put in as text.
//! The browser is told to run this script and no other, to load nothing, and to make no markup of texts.

use std::sync::{Arc, OnceLock};

use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};

const FRAME: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page, and its `Content-Security-Policy`.
pub fn page() -> (Arc<[u8]>, &'static str) {
    static PAGE: OnceLock<(Arc<[u8]>, String)> = OnceLock::new();
    let (page, policy) = PAGE.get_or_init(|| {
        let page = FRAME.replace("/*style*/", STYLE).replace("/*script*/", SCRIPT);
        (page.into_bytes().into(), policy())
    });
    (Arc::clone(page), policy)
}

fn policy() -> String {
    let hash = |text: &str| Base64::encode_string(&Sha256::digest(text));
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_its_style_and_script_and_nothing_that_the_policy_forbids() {
        let (page, policy) = page();
        let page = std::str::from_utf8(&page).expect("text");
        assert!(page.contains(STYLE) && page.contains(SCRIPT) && !page.contains("/*style*/"));
        assert_eq!(page.matches("<script").count(), 1);
        for forbidden in [" style=\"", "onclick=", "innerHTML", "eval(", "document.write", "src=\"http", "@import"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(!SCRIPT.contains("</") && !STYLE.contains("</"), "they would end early");
        assert_eq!(policy.matches("'sha256-").count(), 2);
    }
}
