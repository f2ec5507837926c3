#!/usr/bin/env bash
# Runs unit tests under Miri, which finds undefined behaviour in `unsafe` code: access outside of an allocation, two
# exclusive borrows of one value, a data race between threads.
#
#   scripts/miri.sh [FILTER]...       # tests with names that contain a filter; all by default
#
# It covers the CPU kernels with all that is around them (neuron-kernels), on small shapes, as Miri is thousands of times
# slower than a processor; and the choice of code by processor in neuron-data. The kernels run in their portable form: the
# intrinsics of the others are not what Miri is for. It cannot run calls to NVIDIA's libraries (neuron-model/src/cuda).
#
# Needs cargo-nextest and a nightly toolchain with Miri (rustup toolchain install nightly --component miri,rust-src), or
# another toolchain that MIRI_TOOLCHAIN names.
set -euo pipefail
cd "$(dirname "$0")/.."
toolchain=${MIRI_TOOLCHAIN:-nightly}
if ! cargo "+$toolchain" miri --version >/dev/null 2>&1; then
  echo "there is no Miri: rustup toolchain install $toolchain --component miri,rust-src" >&2
  exit 1
fi

# The threads of the default pool outlive the tests.
export MIRIFLAGS="-Zmiri-ignore-leaks -Zmiri-disable-isolation -Zmiri-num-cpus=2"
export PROPTEST_CASES=${PROPTEST_CASES:-2}
tests() {
  cargo "+$toolchain" miri nextest run --no-fail-fast --no-tests pass "$@"
}
tests -p neuron-threads "$@"
tests -p neuron-kernels --lib "$@"

# Only a processor with AVX2 and BMI2 has a choice to make.
if [ "$(uname -m)" = x86_64 ]; then
  RUSTFLAGS="-C target-feature=+avx2,+bmi2" tests -p neuron-data --lib -E 'test(the_portable_path)' "$@"
fi
