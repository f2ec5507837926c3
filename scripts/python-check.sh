#!/usr/bin/env bash
# Builds the wheel and checks it in an environment of its own: its size, its platforms, its tests and its types.
#
#   scripts/python-check.sh [BINARY]
#
# Without a BINARY, the command is built with the release profile, as for people.
set -euo pipefail
cd "$(dirname "$0")/.."

MOST_BYTES=25000000

left_out() {
  echo "left out: $*"
  exit 0
}

command -v python3 >/dev/null || left_out "there is no python3"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || left_out "python3 is older than 3.10"
made=$(mktemp -d)
trap 'rm -r "$made"' EXIT
python3 -m venv "$made/tools" >"$made/log" 2>&1 || left_out "python3 makes no virtual environment: $(tail -n 1 "$made/log")"
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$made/tools/bin/pip" install --quiet 'maturin>=1.9,<2' auditwheel >"$made/log" 2>&1 ||
  left_out "pip has no index to install maturin from: $(tail -n 1 "$made/log")"

MATURIN="$made/tools/bin/maturin" scripts/python-wheel.sh "$made" "$@"
wheel=$(echo "$made"/*.whl)
bytes=$(stat --format %s "$wheel")
echo "$(basename "$wheel"): $bytes bytes"
if [ "$bytes" -gt "$MOST_BYTES" ]; then
  echo "the wheel is larger than $MOST_BYTES bytes: is the command stripped (python/pyproject.toml)?" >&2
  exit 1
fi
if [ "$(uname)" = Linux ]; then
  # Says the oldest systems that it runs on, from the symbols that it needs.
  shown=$("$made/tools/bin/auditwheel" show "$wheel")
  if ! grep -q 'platform tag: *"manylinux_' <<<"${shown//$'\n'/ }"; then
    printf '%s\nthe wheel runs on no manylinux system: see what it links to\n' "$shown" >&2
    exit 1
  fi
fi

# First alone: what is optional must not be needed.
python3 -m venv "$made/clean"
"$made/clean/bin/pip" install --quiet "$wheel"
"$made/clean/bin/python" -c 'import neuron; neuron.run("layers", arch="resnet18", json=True).summary["layers"]'
"$made/clean/bin/pip" install --quiet "$wheel[test]"
cd python
"$made/clean/bin/python" -m pytest --quiet -p no:cacheprovider
# The tests see the installed package and its types, as other programs do.
"$made/clean/bin/mypy" --cache-dir "$made/mypy" src
"$made/clean/bin/mypy" --cache-dir "$made/mypy" tests
