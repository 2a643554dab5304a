#!/bin/sh
# Everything that a change must pass, in the order of cost. CI runs this; so can you.
set -eu
cd "$(dirname "$0")"
python -m ruff format --check .
python -m ruff check .
basedpyright
# the site of docs/; Material has a notice about versions of MkDocs to come
site=$(mktemp -d)
trap 'rm -r "$site"' EXIT
NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet --site-dir "$site"
# one thread a worker: on small tensors threads only get in each other's way
OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile
