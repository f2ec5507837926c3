#!/usr/bin/env bash
# Inside of a control group with a quota of one core and a quarter of a gigabyte, a plan is for one thread, and notes that
# the memory does not suffice. Of version 1, the group is real; of version 2, which cannot be had beside it, its files lie
# where the process looks for them. Needs root, and more than one core.
set -euo pipefail
cd "$(dirname "$0")/.."

BYTES=$((1 << 28))

left_out() { echo "left out: control groups${2:+ of version $2} ($1)"; }
fail() {
  printf 'FAILED: %s\n%s\n' "$1" "$2" >&2
  exit 1
}

[ "$(nproc)" -gt 1 ] || { left_out "one core is all there is"; exit 0; }
[ "$(id -u)" = 0 ] || { left_out "they need root"; exit 0; }
neuron=$(realpath "${NEURON:-${CARGO_TARGET_DIR:-target}/debug/neuron}")
cpu=/sys/fs/cgroup/cpu/neuron-check.$$ memory=/sys/fs/cgroup/memory/neuron-check.$$
work=$(mktemp -d)
trap 'rmdir "$cpu" "$memory" 2>/dev/null || true; rm -rf "$work"' EXIT

"$neuron" demo --quiet --out "$work/demo" --pictures 5 --units 1 --steps 1 >/dev/null
plan=("$neuron" plan --shards 2 -- select-images --arch resnet10_demo --weights "$work/demo/demo.safetensors"
  --data "$work/demo/pictures-5" --out "$work")
free=$("${plan[@]}")
[[ $free == *"--cpus-per-task=$(nproc)"* ]] || fail "without a group, not all cores are used" "$free"

# What a plan says within a group of a version.
check() {
  local version=$1 plan=$2
  [[ $plan == *"--cpus-per-task=1"* ]] || fail "the quota of cores of version $version is not obeyed" "$plan"
  [[ $plan == *"0.3 GB that the control group of this process allows"* ]] ||
    fail "the limit of memory of version $version is not noted" "$plan"
  echo "in a control group of version $version with one core and 256 MiB, a plan is for one thread, and notes the memory"
}

if mkdir "$cpu" "$memory" 2>/dev/null; then
  cat "$cpu/cpu.cfs_period_us" >"$cpu/cpu.cfs_quota_us"
  echo "$BYTES" >"$memory/memory.limit_in_bytes"
  check 1 "$(
    echo "$BASHPID" >"$cpu/cgroup.procs"
    echo "$BASHPID" >"$memory/cgroup.procs"
    exec "${plan[@]}"
  )"
else
  left_out "none can be made here" 1
fi

# The limits are those of the group above: the process's own has none.
if unshare --mount true 2>/dev/null; then
  check 2 "$(unshare --mount bash -euo pipefail -c '
    bytes=$1
    shift
    mount --make-rprivate /
    mount -t tmpfs none /sys/fs/cgroup
    mkdir -p /sys/fs/cgroup/pod/task
    for group in /sys/fs/cgroup /sys/fs/cgroup/pod /sys/fs/cgroup/pod/task; do
      echo "cpu memory" >"$group/cgroup.controllers"
    done
    echo "max 100000" >/sys/fs/cgroup/pod/task/cpu.max
    echo "100000 100000" >/sys/fs/cgroup/pod/cpu.max
    echo max >/sys/fs/cgroup/pod/task/memory.max
    echo "$bytes" >/sys/fs/cgroup/pod/memory.max
    echo "0::/pod/task" >/sys/fs/cgroup/own
    mount --bind /sys/fs/cgroup/own "/proc/$$/cgroup"
    exec "$@"
  ' -- "$BYTES" "${plan[@]}")"
else
  left_out "no name space can be made here" 2
fi
