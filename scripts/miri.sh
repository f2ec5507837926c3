#!/usr/bin/env bash
# Runs the unit tests of the CPU kernels under Miri, which finds what `unsafe` code must not do: access beyond a slice, two
# exclusive borrows of one value, a race between threads. Takes minutes; tests that would take hours are left out there.
#
#   scripts/miri.sh [FILTER]...       # tests whose names contain a filter; all by default
#
# Needs a nightly toolchain with Miri (rustup toolchain install nightly --component miri,rust-src), or another one that
# MIRI_TOOLCHAIN names. Miri knows no vector instructions: what runs is the portable kernels, and all that is around them.
set -euo pipefail
cd "$(dirname "$0")/.."
toolchain=${MIRI_TOOLCHAIN:-nightly}
if ! cargo "+$toolchain" miri --version >/dev/null 2>&1; then
  echo "there is no Miri: rustup toolchain install $toolchain --component miri,rust-src" >&2
  exit 1
fi

# rayon's threads outlive the tests, and its queues keep pointers as integers. Tree borrows: crossbeam's epochs, on which
# the queues rest, are known to break the stricter rules of stacked ones.
export MIRIFLAGS="-Zmiri-ignore-leaks -Zmiri-permissive-provenance -Zmiri-tree-borrows -Zmiri-disable-isolation"
export RAYON_NUM_THREADS=2 PROPTEST_CASES=${PROPTEST_CASES:-2}
cargo "+$toolchain" miri test -p neuron-kernels --lib -- "$@"
