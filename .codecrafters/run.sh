#!/bin/sh
# Runs the compiled program; the tester chooses the working directory.
set -e
exec "${TMPDIR:-/tmp}/codecrafters-build-redis-rust/release/oxidis" "$@"
