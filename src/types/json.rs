//! JSON documents.
//!
//! [`value`] is a document in memory, [`read`] and [`mod@write`] lead from and to its text, [`path`] with its parser and
//! what follows it says which values are meant, and [`edit`] changes them.

pub mod edit;
pub mod floats;
pub mod path;
pub mod path_find;
pub mod path_text;
mod quick;
pub mod read;
mod scan;
#[cfg(test)]
mod tests;
pub mod value;
pub mod write;

use super::bundled::Value;
use super::digest::Digest;
use value::Json;

/// The name of the type.
pub const TYPE_NAME: &str = "ReJSON-RL";

/// A document, the value of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Document(pub Json);

impl Value for Document {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn heap_bytes(&self) -> usize {
        size_of::<Document>() + self.0.heap_bytes()
    }

    fn free_effort(&self) -> usize {
        self.0.allocations()
    }

    fn duplicate(&self) -> Box<dyn Value> {
        Box::new(self.clone())
    }

    fn digest(&self, digest: &mut Digest) {
        add_to_digest(&self.0, digest);
    }
}

/// Members count whatever their order.
fn add_to_digest(value: &Json, digest: &mut Digest) {
    match value {
        Json::Object(object) => {
            let mut all = Digest::of(b"{");
            for member in object.members() {
                let mut own = Digest::of(member.name.bytes());
                add_to_digest(&member.value, &mut own);
                all.add_digest(own);
            }
            digest.append(all.to_text().as_bytes());
        }
        Json::Array(array) => {
            digest.append(b"[");
            array.0.iter().for_each(|element| add_to_digest(element, digest));
            digest.append(b"]");
        }
        Json::Null | Json::Bool(_) | Json::Int(_) | Json::Big(_) | Json::Double(_) | Json::Text(_) => {
            digest.append(&write::text(value));
        }
    }
}
