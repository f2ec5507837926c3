#!/usr/bin/env bash
# Inside of a control group (version 1) with a quota of one core and a quarter of a gigabyte, a plan is for one thread, and
# notes that the memory does not suffice. Needs root, more than one core, and control groups that can be made.
set -euo pipefail
cd "$(dirname "$0")/.."

left_out() {
  echo "left out: control groups ($*)"
  exit 0
}
fail() {
  printf 'FAILED: %s\n%s\n' "$1" "$2" >&2
  exit 1
}

neuron=${NEURON:-${CARGO_TARGET_DIR:-target}/debug/neuron}
[ "$(nproc)" -gt 1 ] || left_out "one core is all there is"
cpu=/sys/fs/cgroup/cpu/neuron-check.$$ memory=/sys/fs/cgroup/memory/neuron-check.$$
work=$(mktemp -d)
trap 'rmdir "$cpu" "$memory" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$cpu" "$memory" 2>/dev/null || left_out "none of version 1 can be made here"
cat "$cpu/cpu.cfs_period_us" >"$cpu/cpu.cfs_quota_us"
echo $((1 << 28)) >"$memory/memory.limit_in_bytes"

"$neuron" demo --quiet --out "$work/demo" --pictures 5 --units 1 --steps 1 >/dev/null
plan() {
  "$neuron" plan --shards 2 -- select-images --arch resnet10_demo --weights "$work/demo/demo.safetensors" \
    --data "$work/demo/pictures-5" --out "$work"
}
free=$(plan)
bounded=$(
  echo "$BASHPID" >"$cpu/cgroup.procs"
  echo "$BASHPID" >"$memory/cgroup.procs"
  plan
)
[[ $free == *"--cpus-per-task=$(nproc)"* ]] || fail "without a group, not all cores are used" "$free"
[[ $bounded == *"--cpus-per-task=1"* ]] || fail "the quota of cores is not obeyed" "$bounded"
[[ $bounded == *"0.3 GB that the control group of this process allows"* ]] ||
  fail "the limit of memory is not noted" "$bounded"
echo "in a control group of one core and 256 MiB, a plan is for one thread, and notes the memory"
