# `make run` and `make test` set everything up by themselves.
STAR := .venv/bin/star
.PHONY: help install run test test-slow check format bench build clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

install:  ## set up .venv (CUDA or CPU, by what the machine has); does nothing the second time
	@bash scripts/install.sh

run: install  ## the main job: a tiny model teaches itself to add (ARGS="rounds=5 seed=1" to change it)
	@$(STAR) run $(ARGS)

test: install  ## all tests but the slow ones
	@.venv/bin/python -m pytest $(ARGS)

test-slow: install  ## the slow proofs too: kills on real vLLM, every method for real, whole data sets
	@.venv/bin/python -m pytest -m 'not gpu' $(ARGS)

check: install  ## formatting, lint and types: ruff and mypy --strict
	@.venv/bin/ruff format --check --quiet star_cli tests scripts || { echo "make format mends this"; exit 1; }
	@.venv/bin/ruff check star_cli tests scripts
	@.venv/bin/mypy

format: install  ## write every file as `make check` wants it
	@.venv/bin/ruff format star_cli tests scripts
	@.venv/bin/ruff check --fix star_cli tests scripts

bench: install  ## speed as ratios measured in one run
	@for f in scripts/bench/*.py; do echo "== $$f"; .venv/bin/python $$f; done

build: install  ## wheel and sdist into dist/
	@.venv/bin/python -m build --quiet

clean:  ## remove .venv and build products (artifacts/ and runs/ stay)
	@rm -rf .venv build dist *.egg-info
