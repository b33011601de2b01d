#!/bin/sh
# Runs the program as the CodeCrafters tester does, for local use: compiles, then runs.
set -e
cd "$(dirname "$0")"
.codecrafters/compile.sh
exec .codecrafters/run.sh "$@"
