#!/usr/bin/env bash
# Checks and times the CUDA path on a machine with a GPU. Builds nothing: it runs what `scripts/gpu-carry.sh` made, in
# less than 8 minutes, and prints a table. Exits with 1 if something failed.
#
#   gpu-check/gpu-check.sh gpu-check            # the carried folder
#
# With the reference data in $NEURON_SHARED it is held against that too, in every precision.
# NVIDIA's libraries are looked for where the system has them and in Python's packages (as PyTorch brings them).
set -uo pipefail
folder=$(cd "${1:?usage: gpu-check.sh FOLDER}" && pwd)
packages=$(python3 -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null) || packages=
if [ -n "$packages" ]; then
  LD_LIBRARY_PATH=$(find "$packages" -type d -name lib | paste -sd:):${LD_LIBRARY_PATH:-}
fi
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}:/usr/local/cuda/lib64
export NEURON_DEMO_WEIGHTS=$folder/demo.safetensors

failed=0
rows=()

# Runs a command for at most so many seconds; its output goes to a file beside the binaries, its verdict to the table.
check() {
  local name=$1 limit=$2 log=$folder/$1.log
  shift 2
  if timeout "$limit" "$@" >"$log" 2>&1; then
    if grep -q '^test result: ok. 0 passed' "$log"; then
      rows+=("$name|FAILED|the carried program has no such test")
      failed=1
    else
      rows+=("$name|passed|")
    fi
  else
    rows+=("$name|FAILED ($?)|$(grep -m 1 -E 'error|panicked|assert' "$log" || tail -n 1 "$log")")
    failed=1
  fi
}

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || failed=1

for test in maps_are_those_of_the_cpu maps_in_tf32_are_near_those_of_the_cpu maps_in_bf16_are_near_those_of_the_cpu \
  scores_are_those_of_the_maps bytes_give_the_bits_of_their_values the_same_run_gives_the_same_bits \
  backward_passes_are_those_of_the_cpu gradients_from_several_seeds_are_those_of_the_cpu; do
  check "$test" 20 "$folder/parity" --ignored --exact "$test" --nocapture
done
if [ "$(nvidia-smi -L | wc -l)" -ge 2 ]; then
  check two_gpus 20 "$folder/parity" --ignored --exact two_gpus_give_the_bits_of_one --nocapture
else
  rows+=("two_gpus|left out|there is one GPU")
fi
check features_are_matched_as_on_the_host 20 "$folder/matching" --ignored --exact \
  cuda::against_host::features_are_matched_as_on_the_host --nocapture
check steps_are_those_of_the_cpu 20 "$folder/steps" --ignored --exact steps_are_those_of_the_cpu --nocapture
export NEURON_TEST_DEVICE=cuda
if [ -n "${NEURON_SHARED:-}" ]; then
  for precision in f32 tf32 bf16; do
    check "reference_activations_$precision" 15 env NEURON_TEST_PRECISION="$precision" \
      "$folder/activations" --ignored --nocapture
  done
  check reference_attributions 15 "$folder/attributions" --ignored --nocapture
  check reference_fvis 45 "$folder/fvis" --ignored --nocapture --test-threads 1
else
  rows+=("reference|left out|NEURON_SHARED is not set")
fi
check bench 90 "$folder/bench"
check pytorch 60 python3 "$folder/torch_forward.py"

printf '\n| check | result | |\n|---|---|---|\n'
for row in "${rows[@]}"; do
  printf '| %s |\n' "${row//|/ | }"
done
printf '\n'
cat "$folder/bench.log" "$folder/pytorch.log"
printf '\nLargest differences from the CPU, of all that were compared:\n'
cat "$folder"/{maps,backward,gradients,reference}_*.log | grep -E ': [0-9.]+e-?[0-9]+$' |
  sort -t : -k 2 -g -r | head -n 20
exit "$failed"
