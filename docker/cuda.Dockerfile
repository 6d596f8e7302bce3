# star on NVIDIA GPUs, with the CUDA build of vLLM. The driver and nvidia-container-toolkit are the host's.
#   docker build -f docker/cuda.Dockerfile -t star:cuda .
#   docker run --rm --gpus all --ipc=host -v "$PWD:/project" star:cuda run model=hf model.path=/project/model task=gsm8k
# --ipc=host: the processes of one engine share memory.
FROM nvidia/cuda:12.9.1-devel-ubuntu24.04

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 STAR_HOME=/project
WORKDIR /opt/star
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3=3.12.* python3-dev=3.12.* python3-venv=3.12.* \
 && rm -rf /var/lib/apt/lists/*

COPY pyproject.toml requirements-cpu.lock README.md LICENSE ./
COPY scripts/install.sh scripts/cpu-excludes.txt scripts/
COPY star_cli/__init__.py star_cli/
COPY conf conf
RUN STAR_BUILD=cuda STAR_EXTRAS=grade,train,view,tables,wandb,joblib,slurm bash scripts/install.sh
COPY star_cli star_cli

RUN useradd --uid 10001 --create-home star && install -d -o star /project
USER 10001
WORKDIR /project
ENTRYPOINT ["/opt/star/.venv/bin/star"]
CMD ["--help"]
