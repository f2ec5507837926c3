#!/usr/bin/env bash
# Kills select-images, extract-patches and fvis at random moments, KILLS times each (20), and compares what they leave
# with the result of runs that were left alone. A few kills belong to the tests; this does it for longer.
set -euo pipefail
cd "$(dirname "$0")/.."
NEURON_KILLS=${1:-20} cargo nextest run -p neuron-cli --test cli --no-capture -E 'test(kills::)'
