#!/usr/bin/env bash
# Builds what `scripts/gpu-check.sh` runs, on any machine, and puts it into a folder that can be carried to one with a
# GPU:
#
#   scripts/gpu-carry.sh gpu-check
set -euo pipefail
folder=${1:?usage: scripts/gpu-carry.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$(dirname "$0")/.."

# The path of the one executable that a build makes for a target.
built() {
  local target=$1
  shift
  cargo "$@" --message-format json |
    python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == sys.argv[1]:
        print(message["executable"])' "$target"
}

cp "$(built neuron build --release -p neuron-cli --features cuda)" "$folder/neuron"
cp "$(built cuda test --release --no-run -p neuron-model --features cuda --test cuda)" "$folder/parity"
cp "$(built activations test --release --no-run -p neuron-model --features cuda --test activations)" "$folder/activations"
cp "$(built attributions test --release --no-run -p neuron-model --features cuda --test attributions)" \
  "$folder/attributions"
cp "$(built reference test --release --no-run -p neuron-fvis --features cuda --test reference)" "$folder/fvis"
cp "$(built cuda test --release --no-run -p neuron-fvis --features cuda --test cuda)" "$folder/steps"
cp "$(built neuron_fvis test --release --no-run -p neuron-fvis --features cuda --lib)" "$folder/matching"
cp "$(built gpu bench --no-run -p neuron-fvis --features cuda --bench gpu)" "$folder/bench"
cp crates/neuron-fvis/benches/peers/torch_forward.py scripts/gpu-check.sh weights/demo.safetensors "$folder/"
strip "$folder"/{neuron,parity,steps,matching,activations,attributions,fvis,bench}
ls -l "$folder"
