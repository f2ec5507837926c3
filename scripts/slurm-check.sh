#!/usr/bin/env bash
# A scan on a real Slurm: a controller and one node are started here, with all that they write in a temporary folder. The
# script that docs/cluster.md shows runs as an array of four tasks, of which one is killed and one preempted; a dependent
# job merges what they leave, which must have the bytes of one run. Then two tasks make pictures in one folder.
set -euo pipefail
cd "$(dirname "$0")/.."

TASKS=4
LONGEST_SECS=90

say() { printf 'slurm: %s\n' "$*"; }
fail() {
  tail -n 20 "$work"/logs/{slurmctld,slurmd,task-*,merge} >&2 2>/dev/null || true
  printf 'slurm: FAILED: %s\n' "$*" >&2
  exit 1
}
left_out() {
  echo "left out: $*"
  exit 0
}

# Waits until a command succeeds.
await() {
  local what=$1 until=$((SECONDS + LONGEST_SECS))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || fail "no $what after $LONGEST_SECS seconds"
    sleep 0.05
  done
}

install_slurm() {
  command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v sbatch >/dev/null &&
    command -v munged >/dev/null && return
  say "installing Slurm and munge"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    slurmctld slurmd slurm-client munge; } >/dev/null 2>&1
}

[ "$(id -u)" = 0 ] || left_out "a scan on a real Slurm (its daemons need root)"
install_slurm || left_out "a scan on a real Slurm (its packages cannot be installed)"

neuron=${NEURON:-${CARGO_TARGET_DIR:-target}/debug/neuron}
[ -n "${NEURON:-}" ] || [ -x "$neuron" ] || cargo build -p neuron-cli
neuron=$(realpath "$neuron")

work=$(mktemp -d)
# From here on Slurm's commands know no other cluster.
export SLURM_CONF="$work/slurm.conf"
daemons=()
end() {
  scancel --user=root 2>/dev/null || true
  # The node first: the controller would only wait for it.
  for ((at = ${#daemons[@]} - 1; at >= 0; at--)); do
    kill "${daemons[at]}" 2>/dev/null && wait "${daemons[at]}" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap end EXIT

# --- a cluster of one machine

mkdir "$work/state" "$work/spool" "$work/munge" "$work/logs"
host=$(hostname -s)
port=$((20000 + RANDOM % 20000))
cat >"$SLURM_CONF" <<CONF
ClusterName=check
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# Also how long a requeued task waits before it starts again.
AuthInfo=socket=$work/munge/socket,cred_expire=5
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/logs/slurmctld
SlurmdLogFile=$work/logs/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
JobRequeue=1
KillWait=20
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=check Nodes=$host Default=YES MaxTime=10 State=UP
CONF

# Starts a daemon that stays in the foreground.
daemon() {
  "$@" >"$work/logs/$(basename "$1").out" 2>&1 &
  daemons+=($!)
}

mungekey --create --keyfile="$work/munge/key"
daemon munged --foreground --force --key-file="$work/munge/key" --socket="$work/munge/socket" \
  --pid-file="$work/munge/pid" --log-file="$work/logs/munged" --seed-file="$work/munge/seed"
await "munged" test -S "$work/munge/socket"
daemon slurmctld -D
daemon slurmd -D
is_idle() { [ "$(sinfo --noheader --format=%T)" = idle ]; }
await "idle node" is_idle
say "$(sinfo --version) runs on one node with $(nproc) cores"

# --- the data, and what one run makes of it

"$neuron" demo --quiet --out "$work/demo" --pictures 90 --units 1 --steps 1 >/dev/null
data=$(echo "$work"/demo/pictures-*)
scan=(select-images --arch resnet10_demo --weights "$work/demo/demo.safetensors" --data "$data" --layer "layer3,layer4")
"$neuron" "${scan[@]}" --quiet --out "$work/whole"

# Pictures of four units, of small size.
lists="$work/demo/resnet10_demo/neuron_layer4"
pictures=(fvis --arch resnet10_demo --weights "$work/demo/demo.safetensors" --data "$data" --layer layer4 --channels 0-3
  --topk-dir "$lists" --num-real-img 5 --resolution 64 --jitter 4 --steps 10 --exp-name units)
"$neuron" "${pictures[@]}" --quiet --out "$work/pictures-of-one-run"

# --- the array, and three accidents

# Word for word what users are told to save.
awk '/^```bash/ { inside = 1; next } /^```/ { if (inside) exit } inside' docs/cluster.md >"$work/neuron.sbatch"
mkdir "$work/bin"
ln -s "$neuron" "$work/bin/neuron"
export PATH="$work/bin:$PATH"

# One image at a time, and a checkpoint behind each: there is time for accidents.
array=$(sbatch --parsable --array="0-$((TASKS - 1))" --cpus-per-task=1 --mem=0 --time=5 \
  --output="$work/logs/task-%a" "$work/neuron.sbatch" "${scan[@]}" --out "$work/shards" \
  --batch-size 1 --checkpoint-every 0)
merge=$(sbatch --parsable --dependency="afterok:$array" --cpus-per-task=1 --mem=0 --time=5 \
  --output="$work/logs/merge" --wrap="neuron merge '$work/merged' '$work/shards'")
say "job $array: an array of $TASKS tasks; job $merge: the merge, when all have succeeded"

shard() { echo "$work/shards/resnet10_demo/select-images_layer3+layer4.shard-$(($1 + 1))-of-$TASKS"; }

# The process of a task, from its first checkpoint on.
process() {
  local found
  [ -e "$(shard "$1")" ] || return 1
  for found in /proc/[0-9]*; do
    if [ "$(readlink "$found/exe")" = "$neuron" ] &&
      tr '\0' '\n' <"$found/environ" | grep -qx "SLURM_CONF=$SLURM_CONF" &&
      tr '\0' '\n' <"$found/environ" | grep -qx "SLURM_ARRAY_TASK_ID=$1"; then
      basename "$found"
      return
    fi
  done
  return 1
}

await "first checkpoint of task 1" process 1
kill -KILL "$(process 1)"
say "task 1: killed (SIGKILL) after its first checkpoint"
await "first checkpoint of task 2" process 2
scontrol requeue "${array}_2"
say "task 2: requeued by Slurm while it ran, as by a preemption (SIGTERM, then time to end)"
await "first checkpoint of task 3" process 3
scancel --batch --signal=USR1 "${array}_3"
say "task 3: warned as near its time limit (USR1 to the script alone)"

# --- how it went on

state() { scontrol --oneliner show job "$1" | tr ' ' '\n' | sed -n "s/^$2=//p" | head -n 1; }
has_ended() { [[ $(state "$merge" JobState) =~ COMPLETED|FAILED|CANCELLED|TIMEOUT ]]; }
await "end of the merge" has_ended

all=$(find "$data" -name '*.png' | wc -l)
for task in $(seq 0 $((TASKS - 1))); do
  restarts=$(state "${array}_$task" Restarts)
  wanted=$((task > 0))
  [ "$restarts" = "$wanted" ] || fail "task $task started again $restarts times, not $wanted"
  [ "$wanted" = 1 ] || continue
  left=$(sed -n 's/^\([0-9]*\) images, .*/\1/p' "$work/logs/task-$task" | tail -n 1)
  [ -n "$left" ] && [ "$left" -lt $((all / TASKS)) ] || fail "task $task did not go on from its checkpoint"
  say "task $task: went on from its checkpoint, with $left of $((all / TASKS)) images to do"
done
for task in 2 3; do
  grep -q '^interrupted; continue with --resume' "$work/logs/task-$task" || fail "task $task saved nothing"
  say "task $task: had saved all that it had done before it ended"
done
[ "$(state "$merge" JobState)" = COMPLETED ] || fail "the merge is $(state "$merge" JobState)"
say "job $merge: $(tail -n 1 "$work/logs/merge" | sed "s|$work/||")"
diff -r "$work/whole" "$work/merged" >&2 || fail "the merged result differs from that of one run"
say "all $(find "$work/whole" -type f | wc -l) files have the bytes of one run"

# --- pictures: tasks that share a folder

array=$(sbatch --parsable --array=1-2 --cpus-per-task=1 --mem=0 --time=5 \
  --output="$work/logs/task-%a" "$work/neuron.sbatch" "${pictures[@]}" --out "$work/pictures")
ended() { [[ $(state "${array}_$1" JobState) =~ COMPLETED|FAILED|CANCELLED|TIMEOUT ]]; }
await "end of the pictures" ended 1
await "end of the pictures" ended 2
diff -r "$work/pictures-of-one-run" "$work/pictures" >&2 || fail "pictures of two tasks differ from those of one run"
say "job $array: the pictures of 4 units, by 2 tasks, have the bytes of one run ($(find "$work/pictures" -type f | wc -l) files)"
