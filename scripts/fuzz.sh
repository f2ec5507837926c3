#!/usr/bin/env bash
# Runs every target of the fuzzer, one after the other, each for so many seconds (default 60); stops at nothing, and fails
# if there was a finding. docs/fuzzing.md says what to do with one.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
seed=${2:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}

# Temporary files in memory, where there is such a folder: readers that want files read one for every input.
[ -d /dev/shm ] && export TMPDIR=/dev/shm

RUSTC_WORKSPACE_WRAPPER=$PWD/fuzz/instrument.sh cargo build --profile fuzz -p neuron-fuzz --bin fuzz || exit
fuzz=${CARGO_TARGET_DIR:-target}/fuzz/fuzz
echo "seed $seed"
failed=0
for target in $("$fuzz" --list); do
  # A process for each: one that is ended by its input must not end the others.
  "$fuzz" "$target" --seconds "$seconds" --seed "$seed" || failed=1
done
exit $failed
