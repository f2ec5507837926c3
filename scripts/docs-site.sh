#!/usr/bin/env bash
# Builds the documentation as a site, with a page for each command as the program itself describes it.
#
#   scripts/docs-site.sh [FOLDER [BINARY]]
#
# Into target/site, unless a FOLDER is named; what that holds is replaced. Without a BINARY, the command is built. Installs
# mdBook if it is not there.
set -euo pipefail
cd "$(dirname "$0")/.."

MDBOOK=0.5.4
target=${CARGO_TARGET_DIR:-target}
site=$(realpath --canonicalize-missing "${1:-target/site}")

if [ $# -ge 2 ]; then
  neuron=$2
else
  cargo build -p neuron-cli
  neuron=$target/debug/neuron
fi

# In a folder of its own: another version may be on the path, and its pages would differ. Without optimisation it is
# installed in half the time, and the site takes two seconds.
tools=$(realpath --canonicalize-missing "$target/tools/mdbook-$MDBOOK")
mdbook=$tools/bin/mdbook
if ! [ -x "$mdbook" ]; then
  echo "installing mdBook $MDBOOK"
  CARGO_TARGET_DIR=$tools/build cargo install mdbook --version "=$MDBOOK" --locked --debug --quiet \
    --no-default-features --features search --root "$tools"
  rm -r "$tools/build"
fi

# A copy of the pages as they lie in the repository, and of nothing else.
made=$(mktemp -d)
trap 'rm -r "$made"' EXIT
mkdir -p "$made/src/docs"
cp README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md "$made/src"
cp -r docs/*.md docs/images "$made/src/docs"
rm "$made/src/docs/SUMMARY.md"
cp docs/book.toml docs/site.css "$made"
"$neuron" man --quiet --format markdown "$made/src/docs/commands"

# The contents name pages from docs/, and mdBook wants them from the root. The commands come first in the reference.
{
  echo
  echo "- [The commands](docs/commands/neuron.md)"
  sed -n 's#^\( *\)- \[\(neuron [^]]*\)\](\([^)]*\)).*#  \1- [\2](docs/commands/\3)#p' "$made/src/docs/commands/neuron.md"
} >"$made/commands"
sed -e 's#](#](docs/#' -e 's#](docs/\.\./#](#' docs/SUMMARY.md | sed "/^# Reference\$/r $made/commands" >"$made/src/SUMMARY.md"

"$mdbook" build --dest-dir "$site" "$made"
echo "the documentation: $site/index.html"
