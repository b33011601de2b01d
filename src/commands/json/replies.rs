//! JSON.RESP: values in the types of the protocol.

use crate::resp::reply::Reply;
use crate::types::json::value::Json;

/// An array begins with `[`, an object with `{` before its names and values.
pub fn reply_resp(reply: &mut Reply, value: &Json) {
    match value {
        Json::Null => reply.null(),
        Json::Bool(value) => reply.simple(if *value { "true" } else { "false" }),
        Json::Int(value) => reply.integer(*value),
        Json::Big(value) => reply.double(*value as f64),
        Json::Double(value) => reply.double(*value),
        Json::Text(text) => reply.bulk(text.bytes()),
        Json::Array(array) => {
            reply.array(1 + array.0.len());
            reply.simple("[");
            array.0.iter().for_each(|value| reply_resp(reply, value));
        }
        Json::Object(object) => {
            reply.array(1 + 2 * object.len());
            reply.simple("{");
            for member in object.members() {
                reply.bulk(member.name.bytes());
                reply_resp(reply, &member.value);
            }
        }
    }
}
