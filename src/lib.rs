//! Oxidis, a drop-in Redis server.

pub mod config;
mod db;
pub mod resp;
mod util;
