#!/usr/bin/env bash
# Builds the wheel into FOLDER with maturin: of a release build, or of a BINARY that is there already.
#
#   scripts/python-wheel.sh FOLDER [BINARY]
#
# MATURIN names the program, if it is not on the path.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
maturin=${MATURIN:-maturin}
out=$(realpath "$1")

if [ $# -lt 2 ]; then
  cd "$root/python"
  exec "$maturin" build --release --out "$out"
fi

# maturin cannot pack what it has not built, and a build of its own would compile everything once more. It asks whatever
# `cargo` is on the path; this one says of the binary what the real one says when all is fresh.
stand_in=$(mktemp -d)
trap 'rm -r "$stand_in"' EXIT
# It is packed under the name that it has.
binary=$stand_in/neuron
cp "$2" "$binary"
package=$(cargo pkgid --manifest-path "$root/crates/neuron-cli/Cargo.toml")
printf '{"reason":"compiler-artifact","package_id":"%s","manifest_path":"%s","target":%s,"profile":%s,"features":[],"filenames":["%s"],"executable":"%s","fresh":true}\n' \
  "$package" "$root/crates/neuron-cli/Cargo.toml" \
  '{"kind":["bin"],"crate_types":["bin"],"name":"neuron","src_path":"src/main.rs","edition":"2024","doc":true,"doctest":false,"test":true}' \
  '{"opt_level":"2","debuginfo":1,"debug_assertions":true,"overflow_checks":true,"test":false}' \
  "$binary" "$binary" >"$stand_in/said"
printf '#!/bin/sh\nif [ "$1" = rustc ]; then exec cat "%s"; fi\nexec "%s" "$@"\n' \
  "$stand_in/said" "$(command -v cargo)" >"$stand_in/cargo"
chmod +x "$stand_in/cargo"
cd "$root/python"
PATH="$stand_in:$PATH" CARGO="$stand_in/cargo" "$maturin" build --out "$out"
