# Everything a person or CI does with this project. `make` or `make help` lists it.

PYTHON ?= python3.11
MODEL ?= cnn
SEEDS ?= 0 1 2
MODELS_DIR ?= models
IMAGE ?= digits:latest
BASE_DIGEST ?=
PORT ?= $(or $(DIGITS_PORT),8000)

BIN := .venv/bin
RUNS := $(foreach seed,$(SEEDS),runs/$(MODEL)-$(seed))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## The virtual environment grows with what is asked of it: service, then dev, then training or deploy.

.venv/pyvenv.cfg:
	$(PYTHON) -m venv .venv

.venv/service.stamp: requirements/service.txt pyproject.toml | .venv/pyvenv.cfg
	$(BIN)/pip install --quiet --require-hashes -r requirements/service.txt
	$(BIN)/pip install --quiet --no-deps -e .
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/service.stamp
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

.venv/training.stamp: requirements/training.txt .venv/dev.stamp
	$(BIN)/pip install --quiet --require-hashes -r requirements/training.txt
	@touch $@

.venv/deploy.stamp: requirements/deploy.txt .venv/dev.stamp
	$(BIN)/pip install --quiet --require-hashes -r requirements/deploy.txt
	@touch $@

.PHONY: install
install: .venv/training.stamp ## Install everything, training and tests too

.PHONY: serve
serve: .venv/service.stamp ## Serve the shipped model on DIGITS_PORT (8000)
	DIGITS_LOG_FORMAT=$(or $(DIGITS_LOG_FORMAT),console) $(BIN)/digits serve

.PHONY: test
test: .venv/training.stamp ## Run all tests; those that miss MNIST, an engine or a browser say so
	$(BIN)/python -m pytest

.PHONY: test-service
test-service: .venv/dev.stamp ## Run the service's tests; installs no torch
	$(BIN)/python -m pytest --ignore tests/training

.PHONY: test-ray
test-ray: .venv-ray/ray.stamp ## Start Ray here and test replicas and classify-many on it; installs 600 MB in .venv-ray
	.venv-ray/bin/python -m pytest -m ray tests/test_distributed.py tests/many

.venv-ray/ray.stamp: requirements/ray.txt pyproject.toml
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/pip install --quiet --require-hashes -r requirements/ray.txt
	.venv-ray/bin/pip install --quiet --no-deps -e .
	@touch $@

.PHONY: check
check: .venv/training.stamp ## Lint, formatting, types and security
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --severity-level medium --recursive app training

.PHONY: openapi
openapi: .venv/dev.stamp ## Write app/api/openapi.json anew, after a change of routes or answers
	$(BIN)/python -m app.api.contract

.PHONY: format
format: .venv/dev.stamp ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: train
train: .venv/training.stamp ## Train, calibrate, export and ship MODEL (cnn) over SEEDS ("0 1 2"); goes on after a kill
	for seed in $(SEEDS); do $(BIN)/python -m training train --recipe $(MODEL) --seed $$seed --resume || exit 1; done
	for run in $(RUNS); do $(BIN)/python -m training calibrate $$run && $(BIN)/python -m training export $$run || exit 1; done
	$(BIN)/python -m training ship $(RUNS) --models $(MODELS_DIR)
	$(BIN)/python -m training card $(MODELS_DIR)/$(MODEL)

.PHONY: teacher
teacher: .venv/training.stamp ## Join the runs of `make train` into cnn-teacher, whose members vote, and ship it
	$(BIN)/python -m training vote $(RUNS) --save-dir runs/cnn-teacher
	$(BIN)/python -m training calibrate runs/cnn-teacher
	$(BIN)/python -m training export runs/cnn-teacher
	$(BIN)/python -m training ship runs/cnn-teacher --models $(MODELS_DIR)
	$(BIN)/python -m training card $(MODELS_DIR)/cnn-teacher

.PHONY: report
report: .venv/training.stamp ## Write report/index.html: every number and figure of all models
	$(BIN)/python -m training report $(patsubst %/manifest.json,%,$(wildcard $(MODELS_DIR)/*/manifest.json))

.PHONY: evaluate
evaluate: .venv/training.stamp ## Measure models/MODEL on the test split, as it is served
	$(BIN)/python -m training evaluate $(MODELS_DIR)/$(MODEL) --split test

.PHONY: evaluate-pictures
evaluate-pictures: .venv/training.stamp ## Send every set of DIGITS_DATA_DIR/handwriting to a service of its own, and count
	$(BIN)/python -m benchmarks.pictures --model $(MODEL)

.PHONY: load-test
load-test: .venv/dev.stamp ## Load a running service for 10 s from 16 clients
	$(BIN)/python -m benchmarks.load --url http://127.0.0.1:$(PORT)/v1/predict --clients 16 --seconds 10 samples/*.png

.PHONY: benchmark-peers
benchmark-peers: .venv/dev.stamp ## The same work on other servers, as benchmarks/RESULTS.md; needs wrk, installs 2 GB in .venv-peers
	$(BIN)/python -m benchmarks.peers

.PHONY: benchmark
benchmark: .venv/dev.stamp ## Measure CPU, latency, start and memory beside the floors, in about three minutes
	$(BIN)/python -m benchmarks.service

.PHONY: soak
soak: .venv/dev.stamp ## Floods, faults, fuzz and soak for an hour (SCALE=0.1 for a part), as one table
	$(BIN)/python -m tests.reliability --scale $(or $(SCALE),1)

.PHONY: audit
audit: .venv/dev.stamp ## Ask the advisory database about each pinned package
	$(BIN)/pip-audit --strict --timeout 15 --require-hashes --disable-pip --requirement requirements/service.txt

.PHONY: image
image: ## Build the container image (BASE_DIGEST=sha256:… pins its base)
	$(BUILD) --build-arg MODELS=$(MODEL_VERSIONS) --tag $(IMAGE) .

.PHONY: image-gpu
image-gpu: ## Build digits:gpu, with CUDA's libraries (1.6 GB of wheels)
	$(BUILD) --build-arg MODELS=$(MODEL_VERSIONS) --build-arg REQUIREMENTS=gpu --tag digits:gpu .

.PHONY: image-training
image-training: ## Build digits:training, with torch (3 GB of wheels)
	$(BUILD) --file docker/training.Dockerfile --tag digits:training .

# DIGITS_BUILD_NETWORK=host where a build has no network of its own. Deferred: only a build asks git and the manifests.
BUILD = docker build --network $(or $(DIGITS_BUILD_NETWORK),default) --build-arg BASE_DIGEST=$(BASE_DIGEST) \
	--build-arg VERSION=$(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' app/__init__.py) \
	--build-arg REVISION=$(shell git rev-parse HEAD) --build-arg CREATED=$(shell git show -s --format=%cI HEAD)
# As .dockerignore has it, without the teacher.
SERVED_MODELS = $(filter-out models/cnn-teacher/%,$(wildcard models/*/manifest.json))
MODEL_VERSIONS = $(shell sed -n 's/^  "\(name\|version\)": "\(.*\)",/\2/p' $(SERVED_MODELS) | paste -s -d '=,')

.PHONY: image-test
image-test: .venv/dev.stamp ## Build the image and test it on a running engine
	$(BIN)/python -m pytest tests/container

.PHONY: sbom
sbom: .venv/deploy.stamp ## Write sbom.json: what is in the image, in CycloneDX's form
	$(BIN)/python docker/sbom.py $(IMAGE) > sbom.json

.PHONY: deploy-check
deploy-check: .venv/deploy.stamp ## Lint the ECS templates, make their stacks in moto, validate the Kubernetes files, check the SBOM
	$(BIN)/python -m pytest tests/deploy tests/container/test_sbom.py

.PHONY: lock
lock: ## Write requirements/*.txt anew from pyproject.toml (needs uv)
	$(LOCK) -o requirements/service.txt
	$(LOCK) --extra dev -c requirements/service.txt -o requirements/dev.txt
	$(LOCK) --extra dev --extra training -c requirements/dev.txt -o requirements/training.txt
	$(LOCK) --extra dev --extra ray -c requirements/dev.txt -o requirements/ray.txt
	$(LOCK) --extra dev --extra deploy -c requirements/training.txt -o requirements/deploy.txt
	$(LOCK) --group gpu --no-emit-package onnxruntime -c requirements/service.txt -o requirements/gpu.txt

LOCK = uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

.PHONY: clean
clean: ## Remove the virtual environment and caches; runs and data stay
	rm -rf .venv .venv-ray .venv-peers .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
