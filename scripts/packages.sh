#!/usr/bin/env bash
# Packs every crate that can be published, as cargo would for a registry, and looks at what is inside. Compiles nothing;
# `scripts/packages.sh --verify` also builds the packages from what is in them.
set -euo pipefail
cd "$(dirname "$0")/.."

# The weights of the demo, which are part of the command.
LARGE='neuron-cli-[^/]*/weights/demo.safetensors'
MOST_BYTES=1000000

packed=$(mktemp -d)
trap 'rm -r "$packed"' EXIT
verify=(--no-verify --offline)
if [ "${1:-}" = --verify ]; then
  verify=()
fi
unpublished=()
for manifest in $(grep -l '^publish = false' crates/*/Cargo.toml fuzz/Cargo.toml); do
  unpublished+=("--exclude=$(sed -n 's/^name = "\(.*\)"$/\1/p' "$manifest" | head -n 1)")
done
# The state of the repository is another's business.
cargo package --workspace "${unpublished[@]}" --allow-dirty --quiet "${verify[@]}" --target-dir "$packed"

wrong=0
complain() {
  echo "$*" >&2
  wrong=1
}
for package in "$packed"/package/*.crate; do
  tar --extract --gzip --file "$package" --directory "$packed"
  name=$(basename "$package" .crate)
  files=$(cd "$packed" && find "$name" -type f | sort)
  echo "$name: $(wc -l <<<"$files") files, $(stat --format %s "$package") bytes"
  for wanted in README.md LICENSE-MIT LICENSE-APACHE Cargo.toml src/lib.rs; do
    [ -s "$packed/$name/$wanted" ] || complain "$name lacks $wanted"
  done
  for key in description license readme keywords categories; do
    grep -q "^$key = " "$packed/$name/Cargo.toml" || complain "$name says no $key"
  done
  odd=$(grep -vE "^$name/(src|data|templates|weights)/|^$name/(Cargo\.(toml|toml\.orig|lock)|README\.md|LICENSE-(MIT|APACHE)|\.cargo_vcs_info\.json)\$" <<<"$files" || true)
  [ -z "$odd" ] || complain "$name holds what nobody needs there: $odd"
  large=$(cd "$packed" && find "$name" -type f -size "+${MOST_BYTES}c" | grep -vE "^$LARGE\$" || true)
  [ -z "$large" ] || complain "$name holds large files: $large"
  traces=$(grep -rIlE "$(pwd)|${HOME:-/root}/" "$packed/$name" || true)
  [ -z "$traces" ] || complain "$name names places of this machine: $traces"
  # What is included from outside of a crate is not there in its package. Tests are not compiled in it.
  outside=$(grep -rnE 'include_(str|bytes)!\("(\.\./){3}' "$packed/$name/src" | grep -v '#\[doc' || true)
  [ -z "$outside" ] || complain "$name includes files that it lacks: $outside"
done
exit "$wrong"
