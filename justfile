# Everything a developer runs; `just` lists it.

default:
    @just --list

# Tests that need nothing but the repository
test:
    cargo nextest run --workspace
    cargo test --workspace --doc

# Tests against the reference data in $NEURON_SHARED
tier2:
    cargo nextest run --workspace --run-ignored only --no-fail-fast -E 'test(tier2_)'

# Every known network against PyTorch, or those NAMES (needs $NEURON_SHARED, and an hour)
architectures *NAMES:
    scripts/architectures.sh {{NAMES}}

# Property tests on CASES cases that the gate does not draw
hunt CASES='4000':
    PROPTEST_RNG_SEED=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ') PROPTEST_CASES={{CASES}} \
      PROPTEST_MAX_GLOBAL_REJECTS=1000000000 cargo nextest run --workspace --no-fail-fast

# Damaged bytes for everything that reads files, SECONDS for each target
fuzz SECONDS='60':
    scripts/fuzz.sh {{SECONDS}}

# A scan on a real Slurm, and limits of cores and memory (need root; the first installs Slurm)
cluster:
    cargo build -p neuron-cli
    scripts/slurm-check.sh
    scripts/cgroup-check.sh

# Format
fmt:
    cargo fmt --all

# What the gate denies
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Licenses and advisories of dependencies (needs cargo-deny)
deny:
    cargo deny check

# Benches; some compare with peers (ONNX Runtime, Pillow) where python3 has them
bench *ARGS:
    cargo bench --workspace {{ARGS}}

# The documentation as a site, in target/site
site:
    scripts/docs-site.sh

# The wheel for Python, with its tests; into FOLDER by scripts/python-wheel.sh
python:
    scripts/python-check.sh

# The gate
ci:
    bash .ci/run
