#!/bin/sh
# Compiles the program before the CodeCrafters tester runs it.
set -e
cargo build --release --target-dir="${TMPDIR:-/tmp}/codecrafters-build-redis-rust" --manifest-path Cargo.toml
