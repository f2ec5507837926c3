#!/usr/bin/env bash
# Runs the demo as a container of `Containerfile` would: a statically linked binary alone in a root file system that cannot
# be written, as a user who is not root, with one folder for results, and what every container runtime adds: /proc and the
# usual devices. Needs root, for the namespace; no container engine.
set -euo pipefail

binary=${1:?usage: scripts/container-check.sh BINARY (built with -C target-feature=+crt-static)}
USER_ID=65532

case $(ldd "$binary" 2>&1) in
  *"statically linked"* | *"not a dynamic executable"*) ;;
  *)
    echo "$binary is not statically linked: build it as the Containerfile does" >&2
    exit 1
    ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/proc" "$work/root/dev" "$work/root/results"
(cd "$work/root/dev" && touch null zero full random urandom)
install -m 755 "$binary" "$work/root/neuron"
install -d -o "$USER_ID" -g "$USER_ID" "$work/results"

# The mounts end with the namespace.
unshare --mount --pid --fork bash -euo pipefail -c '
  work=$1 user=$2
  mount --make-rprivate /
  mount --bind "$work/root" "$work/root"
  mount --bind "$work/results" "$work/root/results"
  mount -t proc proc "$work/root/proc"
  for device in "$work"/root/dev/*; do
    mount --bind "/dev/$(basename "$device")" "$device"
  done
  mount -o remount,bind,ro "$work/root"
  if touch "$work/root/written" 2>/dev/null; then
    echo "the root file system can be written" >&2
    exit 1
  fi
  run() {
    local environment=$1
    shift
    env -i $environment /usr/sbin/chroot --userspec="$user:$user" --groups= "$work/root" /neuron "$@"
  }
  run "" demo --quiet --out /results/demo --pictures 10 --units 2 --steps 20
  for index in 0 1; do
    run "JOB_COMPLETION_INDEX=$index" select-images --arch resnet10_demo --weights /results/demo/demo.safetensors \
      --data /results/demo/pictures-10 --layer layer4 --topk-images 100 --quiet --out /results/shards \
      --shard auto/2 --resume --accept-skipped
  done
  run "" merge /results/merged /results/shards --accept-skipped --quiet
' -- "$work" "$USER_ID" >/dev/null

[ -f "$work/results/demo/resnet10_demo/atlas/index.html" ] || {
  echo "the demo left no atlas" >&2
  exit 1
}
lists() { (cd "$work/results/$1/resnet10_demo/neuron_layer4" && find . -name files_all.txt -o -name topk.parquet | sort | xargs sha256sum); }
[ "$(lists merged)" = "$(lists demo)" ] || {
  echo "two pods and a merge made other lists than one run" >&2
  exit 1
}
strange=$(find "$work/results" ! -uid "$USER_ID" | wc -l)
[ "$strange" = 0 ] || {
  echo "$strange files are not of user $USER_ID" >&2
  exit 1
}
echo "the demo, two pods and their merge ran as user $USER_ID in a read-only root with nothing but the binary ($(($(stat -c %s "$binary") / 1000000)) MB)"
