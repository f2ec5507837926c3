#!/bin/sh
# Cargo calls this in place of the compiler (RUSTC_WORKSPACE_WRAPPER): the crates that read files get a counter at every
# edge, which the fuzzer looks at; the fuzzer itself and everything from elsewhere is compiled as always.
previous=
for argument; do
  if [ "$previous" = --crate-name ]; then
    case $argument in
      neuron_fuzz) ;;
      neuron_*)
        exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
          -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
        ;;
    esac
  fi
  previous=$argument
done
exec "$@"
