# `make run` and `make test` set everything up by themselves.
STAR := .venv/bin/star
.PHONY: help install lock run test test-slow test-kills snapshots check format bench build clean
# Tests run side by side, WORKERS at a time; those that start vLLM, measure memory or time share one worker (xdist_group).
WORKERS ?= $(shell n=$$(nproc); echo $$((n < 8 ? n : 8)))
PARALLEL := -n $(WORKERS) --dist loadgroup
# Their files lie in memory where there is room for them: runs sync what they write, and a disk takes its time.
MEMORY := $(shell [ -w /dev/shm ] && [ "$$(df -Pk /dev/shm | awk 'NR == 2 {print $$4}')" -gt 6000000 ] && echo PYTEST_DEBUG_TEMPROOT=/dev/shm)
PYTEST := $(MEMORY) .venv/bin/python -m pytest
.DEFAULT_GOAL := help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

install:  ## set up .venv (CUDA or CPU, by what the machine has); does nothing the second time
	@bash scripts/install.sh

lock: install  ## write requirements-cpu.lock anew from the ranges in pyproject.toml (ARGS=--upgrade: the newest versions)
	@bash scripts/lock.sh $(ARGS)

run: install  ## the main job: a tiny model teaches itself to add (ARGS="rounds=5 seed=1" to change it)
	@$(STAR) run $(ARGS)

test: install  ## all tests but the slow ones
	@$(PYTEST) $(PARALLEL) $(ARGS)

test-slow: install  ## the slow proofs too: kills on real vLLM, every method for real, whole data sets
	@$(PYTEST) $(PARALLEL) -m 'not gpu' $(ARGS)

test-kills: export KILLS ?= 1000
test-kills: install  ## random kills of every method on fakes (KILLS=1000 SEED=0): same bytes, counted
	@$(PYTEST) -n 0 -m slow -s -q tests/contracts/test_every_write.py -k random_kills $(ARGS)

snapshots: install  ## write tests/unit/__snapshots__ anew: help texts, tables and pages as they are now (look at the diff)
	@.venv/bin/python -m pytest -q tests/unit/test_snapshots.py --snapshot-update $(ARGS)

check: install  ## formatting, lint and types: ruff and mypy --strict
	@.venv/bin/ruff format --check --quiet star_cli tests scripts examples docs || { echo "make format mends this"; exit 1; }
	@.venv/bin/ruff check star_cli tests scripts examples docs
	@.venv/bin/mypy

format: install  ## write every file as `make check` wants it
	@.venv/bin/ruff format star_cli tests scripts examples docs
	@.venv/bin/ruff check --fix star_cli tests scripts examples docs

bench: install  ## speed as ratios measured in one run, and the table of docs/performance.md (half an hour)
	@for n in startup training generate spared sweep scale job grading table; do echo "== $$n"; .venv/bin/python scripts/bench/$$n.py || exit 1; done

build: install  ## wheel and sdist into dist/
	@.venv/bin/python -m build --quiet

clean:  ## remove .venv and build products (artifacts/ and runs/ stay)
	@rm -rf .venv build dist *.egg-info
