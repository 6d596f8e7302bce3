#!/usr/bin/env bash
# Make .venv with everything `star run` needs: the CUDA build of vLLM where there is a GPU, else the CPU build in the
# exact versions of requirements-cpu.lock. A second call with nothing changed does nothing.
# Settings: PYTHON, STAR_BUILD=cpu|cuda, STAR_EXTRAS (grade,train,view,tables,tensorboard,near,wandb,joblib,dev; served, ray and slurm are locked, too), PIP_FIND_LINKS.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${STAR_BUILD:-$(nvidia-smi -L >/dev/null 2>&1 && echo cuda || echo cpu)}
extras="vllm-$build,${STAR_EXTRAS:-grade,train,view,tables,near,tensorboard,wandb,joblib,dev}"
python=${PYTHON:-python3}
sources=(pyproject.toml requirements-cpu.lock scripts/cpu-excludes.txt scripts/install.sh)
mark="$extras $("$python" -c 'import sys; print(sys.version)' | tr '\n' ' ') $(cat "${sources[@]}" | sha256sum)"
stamp=.venv/.star-installed
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$mark" ] && exit 0

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "star needs Python 3.11 or newer; $python is $("$python" -V 2>&1). Set PYTHON=python3.12, for example." >&2; exit 1; }
echo "setting up .venv with the $build build of vLLM (once; takes a minute or a few)"
rm -f "$stamp"
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.8

options=(--python .venv/bin/python --compile-bytecode --quiet)
if [ "$build" = cpu ]; then
  options+=(--excludes scripts/cpu-excludes.txt)
  [ "$(uname -s)" != Linux ] || options+=(--constraints requirements-cpu.lock)
  if [ -n "${PIP_FIND_LINKS:-}" ]; then
    for place in $PIP_FIND_LINKS; do options+=(--find-links "$place"); done
  else
    options+=(--torch-backend cpu)
  fi
fi
.venv/bin/uv pip install "${options[@]}" -e ".[$extras]"
echo "$mark" > "$stamp"
echo "done; try: .venv/bin/star doctor"
