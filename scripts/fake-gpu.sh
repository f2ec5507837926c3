#!/usr/bin/env bash
# Builds a stand-in for NVIDIA's libraries that computes on the CPU, and prints its folder. With it the tests of the CUDA
# path run from end to end without a GPU:
#
#   LD_LIBRARY_PATH=$(scripts/fake-gpu.sh) FAKE_GPU_COUNT=2 cargo nextest run -p neuron-model --features cuda \
#     --test cuda --run-ignored only -E 'not test(full_memory)'
#
# With FAKE_GPU_LAZY=1 in addition, nothing that is put on a stream runs before something waits for it.
#
# Needs a C++ compiler. What it can and cannot show: crates/neuron-model/tests/fake_gpu/fake_gpu.cpp.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${CARGO_TARGET_DIR:-target}/fake-gpu
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

sed -n 's/^KERNEL \([a-z0-9_]*\)(.*/NAMED(\1)/p' crates/neuron-{model,fvis}/src/cuda/kernels.cu >"$folder/kernel_names.inc"
"${CXX:-c++}" -std=c++17 -O3 -march=native -ffp-contract=off -fopenmp -Wall -Wno-unknown-pragmas -shared -fPIC -I "$folder" \
  crates/neuron-model/tests/fake_gpu/fake_gpu.cpp -o "$folder/libcuda.so.1"
for library in libcudnn.so.9 libnvrtc.so.13; do
  ln -sf libcuda.so.1 "$folder/$library"
done
printf '%s\n' "$folder"
