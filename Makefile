# covidweb: `make run` serves the site, `make test` proves it. Everything else is listed by `make help`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PORT ?= 8000
HOST ?= 127.0.0.1
ARGS ?=
# The first Python that runs; the set-up itself says whether it will do.
SYSTEM_PYTHON = $(shell for python in python3.11 python3.12 python3; do \
  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 7))' 2>/dev/null; then echo $$python; break; fi; done)
PYTHON := .venv/bin/python
# Tools that load the settings without a site: keys that protect nothing, a database of nobody.
TOOLS := SECRET_KEY=tools PSEUDONYM_KEY=tools DATABASE_URL=sqlite://:memory:
# What some tests need beside Python packages. Root gets it from Debian; for others those tests skip by name.
PACKAGES = $(shell command -v chromium-headless-shell >/dev/null || echo chromium-headless-shell fonts-liberation) \
  $(shell ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || echo postgresql) \
  $(shell PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || echo nginx-light) \
  $(shell command -v dcmdump >/dev/null || echo dcmtk)

.PHONY: help setup setup-tests packages run test coverage test-long lint format docs check checkpoint demo screenshots bench clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: ## the virtual environment with what the site needs
	@$(if $(SYSTEM_PYTHON),,echo "covidweb: Python 3.11 is missing. Debian and Ubuntu: apt-get install python3.11 python3.11-venv" >&2; exit 1)
	@$(SYSTEM_PYTHON) -I covidweb/bootstrap.py

setup-tests:
	@$(if $(SYSTEM_PYTHON),,echo "covidweb: Python 3.11 is missing. Debian and Ubuntu: apt-get install python3.11 python3.11-venv" >&2; exit 1)
	@$(SYSTEM_PYTHON) -I covidweb/bootstrap.py --tests

packages:
	@missing="$(strip $(PACKAGES))"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "covidweb: tests that need $$missing will be skipped (as root on Debian or Ubuntu they are installed)"; exit 0; fi; \
	echo "covidweb: installing for the tests: $$missing"; mkdir -p build; \
	{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing; } >build/apt.log 2>&1 \
	  || echo "covidweb: apt-get could not (build/apt.log says why); the tests that need it will be skipped"

run: setup ## serve the site on http://HOST:PORT (PORT=8000), until Ctrl-C
	@exec $(PYTHON) -m covidweb.serve --host $(HOST) --port $(PORT)

test: setup-tests packages ## all tests but the long ones; ARGS="-k upload" for some
ifeq ($(ARGS),)
	$(PYTHON) -m pytest -n 3 --dist loadgroup -m "not long"
else
	$(PYTHON) -m pytest -n 2 --dist loadgroup $(ARGS)
endif

coverage: setup-tests packages ## the same tests, measured in all their processes
	@rm -f .coverage .coverage.*
	$(PYTHON) -m pytest -n 3 --dist loadgroup -m "not long" --cov --cov-report=term

test-long: setup-tests packages ## the long browser tests that `make test` leaves out: every way to draw, turn and drop (minutes)
	$(PYTHON) -m pytest -n 1 -m long

lint: setup-tests ## style, types, layers, spelling, settings for production, migrations, Docker files
	.venv/bin/pre-commit run --all-files --color=never
	$(TOOLS) SECURE_HTTPS=true SECRET_KEY="$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(50))')" \
	  $(PYTHON) manage.py check --deploy --fail-level WARNING
	.venv/bin/hadolint docker/Dockerfile
	.venv/bin/docker-compose -f docker/compose.yml config -q

format: setup-tests ## put the code into shape
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

check: lint test ## what must hold before a change lands

docs: setup-tests ## are the documents true to the code?
	$(PYTHON) -m pytest -q tests/test_docs.py

# Everything of the shipped checkpoint, in the order in which one thing needs another; what is finished is not done again
# (lungs and gate are, some minutes each). COVIDWEB_DATA and COVIDWEB_WEIGHTS name the films and the backbone.
RUN ?= build/checkpoint
SHIPPED := ml/weights/covidnet-d3.safetensors
ML := $(PYTHON) -m ml
OF_LUNGS := --lungs $(RUN)/lungs/lungs.safetensors --cache $(RUN)/cache
EQUAL_COST := --recipe plain --epochs 2 --draws 2400 --cache $(RUN)/cache
checkpoint: setup-tests ## train the shipped checkpoint anew into RUN, with folds, gate, probes and card (hours; goes on if stopped)
	test -f $(RUN)/lungs/lungs.safetensors || $(ML) lungs --folder $(RUN)/lungs
	$(ML) crossfit --folder $(RUN)/folds $(OF_LUNGS)
	$(ML) crossfit --folds A --folder $(RUN)/plain $(EQUAL_COST)
	$(ML) train --folder $(RUN)/final $(OF_LUNGS)
	$(ML) train --folder $(RUN)/hidden $(EQUAL_COST) --size 160 --hide-lungs $(RUN)/lungs/lungs.safetensors
	$(ML) gate --checkpoint $(RUN)/final/checkpoint.safetensors --out $(RUN)/gated.safetensors --cache $(RUN)/gate
	$(ML) calibrate --checkpoint $(RUN)/gated.safetensors --scores $(RUN)/folds/calibration.csv \
	  --manifest "$$COVIDWEB_DATA/manifest.csv" --out $(SHIPPED)
	$(ML) probe --checkpoint $(SHIPPED) --p1 $(RUN)/hidden/checkpoint.safetensors --out $(RUN)/probes.json
	$(ML) evaluate --checkpoint $(SHIPPED) --scores $(RUN)/folds/scores.csv --plain $(RUN)/plain/scores.csv \
	  --probes $(RUN)/probes.json --gate $(RUN)/gated.gate.json --heatmaps --out docs/results/checkpoint.json \
	  --card ml/weights/MODEL_CARD.md --results docs/results/checkpoint.md --figures docs/results/figures

demo: setup ## send six synthetic films to the site that runs
	$(PYTHON) manage.py demo

screenshots: setup-tests packages ## pictures of every page in both themes, into build/screenshots
	$(PYTHON) -m tests.browser.screenshots --out build/screenshots

clean: ## remove the virtual environment, caches and build/; the site's data in var/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build .coverage .coverage.*
