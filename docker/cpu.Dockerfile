# star on a machine without a GPU, in the exact versions of requirements-cpu.lock.
#   docker build -f docker/cpu.Dockerfile -t star:cpu .
#   docker run --rm -v "$PWD:/project" star:cpu run rounds=1 name=demo
# grader=code wants namespaces of its own: add --cap-add SYS_ADMIN --security-opt seccomp=unconfined (star doctor says what is missing).
FROM python:3.12-slim-bookworm

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 STAR_HOME=/project
WORKDIR /opt/star
# g++ and the headers are what torch compiles with when vLLM starts on a CPU
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++=4:12.* libnuma1=2.0.* make=4.3-* \
 && rm -rf /var/lib/apt/lists/*

# what decides the environment first: a change of the code does not install everything anew
COPY pyproject.toml requirements-cpu.lock README.md LICENSE ./
COPY scripts/install.sh scripts/cpu-excludes.txt scripts/
COPY star_cli/__init__.py star_cli/
COPY conf conf
RUN STAR_BUILD=cpu STAR_EXTRAS=grade,train,view,tables,wandb,joblib bash scripts/install.sh
COPY star_cli star_cli

RUN useradd --uid 10001 --create-home star && install -d -o star /project
USER 10001
WORKDIR /project
ENTRYPOINT ["/opt/star/.venv/bin/star"]
CMD ["--help"]
