#!/usr/bin/env bash
# Prints a folder with NVIDIA's run-time compiler (NVRTC), which compiles the CUDA kernels and needs no GPU for it:
#
#   LD_LIBRARY_PATH=$(scripts/nvrtc.sh) cargo nextest run -p neuron-model --features cuda
#
# It comes as a Python package and is kept in ~/.cache/neuron-nvrtc. Without pip or network: exit 1 and no output.
set -euo pipefail

version=13.0.88
folder=${XDG_CACHE_HOME:-$HOME/.cache}/neuron-nvrtc/$version
library=$folder/nvidia/cu13/lib

if [ ! -e "$library/libnvrtc.so.13" ]; then
  mkdir -p "$(dirname "$folder")"
  fresh=$(mktemp -d "$folder.XXXXXX")
  trap 'rm -rf "$fresh"' EXIT
  python3 -m pip install --quiet --no-deps --only-binary=:all: --target "$fresh" "nvidia-cuda-nvrtc==$version" >&2
  # Renamed when it is complete: a run that is interrupted leaves nothing that looks done.
  rm -rf "$folder"
  mv "$fresh" "$folder"
fi
printf '%s\n' "$library"
