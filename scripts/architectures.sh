#!/usr/bin/env bash
# Holds every network that is known by name against what PyTorch computes with the same weights and images, both made by
# a rule: all taps of the reference data, two images at the network's own size, one at another. Prints the error of each
# tap, and which networks were left out. The gate compares one network of each design.
#
#   NEURON_SHARED=FOLDER scripts/architectures.sh                 # all: about an hour on two cores, 6 GB of memory
#   NEURON_SHARED=FOLDER scripts/architectures.sh vgg16 alexnet   # these
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -gt 0 ]; then
  NEURON_ARCHITECTURES=$(IFS=,; echo "$*")
  export NEURON_ARCHITECTURES
fi
cargo nextest run -p neuron-model --test architectures --run-ignored only --no-capture -E 'test(sweep_every)'
