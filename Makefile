# Everything runs from .venv, which `make setup` builds from constraints.txt.
PYTHON ?= python3.11
# Which Faiss is installed: cpu or gpu.
FAISS ?= cpu

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export UV_NO_PROGRESS = 1
# What the tools would send home.
export DO_NOT_TRACK = 1
# Bytecode is what makes torch and transformers start quickly.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo check-results stack stack-down paper ablation test test-fast lint lock docs gpu-check gpu-bundle constraints audit clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: .venv/.installed  ## build .venv (at most five minutes)

demo: setup  ## run the whole pipeline and show its results; STACK=1 runs it by deployment, on the stack
	distilrank check
ifdef STACK
	python -m infra.stack up
	set -a; . .stack/environment; prefect deployment run distil/local --watch
else
	python -m flows.distil
endif
	distilrank results
	@echo "To search it and compare rankers in a browser: .venv/bin/distilrank serve-search"

check-results: setup  ## fail where the last run falls outside the figures that params.yaml states
	distilrank check-results

stack: setup  ## start Prefect's server, MLflow's, an S3 server and a worker on this machine, data in .stack
	python -m infra.stack up

stack-down: setup  ## end these, and nothing else
	python -m infra.stack down

paper: setup  ## run the paper's whole matrix, in hours: teachers, an ensemble, every student with each and alone
	distilrank init --preset paper
	$(MAKE) demo

ablation: setup  ## compare three losses on three students
	distilrank init --preset ablation
	$(MAKE) demo

test: setup lint  ## lint, check types and run the tests
	pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --durations 20

test-fast: setup  ## run the tests that take seconds: all but whole pipelines, servers and kills
	pytest --numprocesses auto --dist loadfile -m "not slow"

lint: setup
	ruff check
	ruff format --check
	mypy --num-workers auto src flows infra benchmarks

lock: setup  ## renew code.yaml and graph.yaml, by which DVC knows what to build
	distilrank lock

docs: .venv-docs/.installed  ## write the documentation site to site/; a broken link fails
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build

gpu-check: setup  ## check that rankers compute rightly on this machine's card, and how fast, in some eight minutes
	distilrank-gpu-check

gpu-bundle: setup  ## write the archive that brings this check to a machine without a network
	python -m infra.gpu_bundle

# For Python 3.11 to 3.13, by markers, with the hashes that uv holds each download against. torch has none, because its
# builds for a CPU and for each CUDA are other files. Without the CUDA wheels that a CPU build does not need.
constraints:  ## compile constraints.txt from pyproject.toml, all upgraded
	uv pip compile pyproject.toml --universal --extra cpu --extra dev --group docs --python-version 3.11 --upgrade --quiet \
		--no-annotate --no-header --generate-hashes | awk '/^[^ ]/ {cuda = /^(nvidia-|cuda-|triton)/; torch = /^torch==/} \
		torch {if (/^torch/) print $$1} !torch && !cuda' > constraints.txt

audit: setup  ## look for known vulnerabilities of what constraints.txt pins
	grep -oE '^[^ ]+==[^\\]+' constraints.txt | uv tool run pip-audit --requirement /dev/stdin --no-deps --disable-pip

clean:  ## remove what the pipeline made; DVC's cache and .venv stay
	rm -rf .work data models scores labels indexes evaluation report dvc.lock mlflow.db mlruns

.venv-docs/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --disable-pip-version-check $$(grep -oE '^uv==[^ ]+' constraints.txt)
	.venv-docs/bin/uv pip install --quiet --system-certs --python .venv-docs/bin/python -c constraints.txt --group docs
	touch $@

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	# torch by pip, which finds a locally provided wheel; uv resolves the rest in seconds, and checks hashes
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps $$(grep -oE '^(torch|uv)==[^ ]+' constraints.txt)
	.venv/bin/uv pip install --quiet --system-certs --compile-bytecode --python .venv/bin/python -c constraints.txt -e '.[$(FAISS),dev]'
	touch $@
