//! Oxidis, a drop-in Redis server.

mod config;
mod db;
pub mod resp;
mod util;
