//! The `oxidis` server binary.

fn main() {}
