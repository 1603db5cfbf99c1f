# Every target does its own set-up; nothing is installed twice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMP := $(VENV)/.installed

.PHONY: setup demo quick test coverage check settings lock sbom audit bench torture clean help

help:            ## list the targets
	@grep -E '^[a-z]+: .*##' Makefile | sed 's/:.*##/\t/'

setup: $(STAMP)  ## virtual environment and locked install

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"nexthour needs Python 3.11 to 3.13; $(PYTHON) is {v[0]}.{v[1]}: run make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(UV) || $(BIN)/python -m pip install --quiet "uv>=0.9"
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --compile-bytecode --require-hashes -r requirements.lock
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

LOCK := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header --quiet
lock:      ## resolve pyproject.toml again into requirements.lock, and the part of it that the image installs
	$(LOCK) --group dev pyproject.toml -o requirements.lock
	$(LOCK) --group build --extra auth --extra docker --extra gtfs-realtime --extra kubernetes --extra postgresql --extra redis \
	  --extra s3 --extra tune \
	  --constraint requirements.lock pyproject.toml -o deployments/requirements.lock

demo: setup      ## the whole loop once, on a simulated city
	$(BIN)/nexthour demo --config deployments/demo.toml --data-root .nexthour

check: setup     ## lint, types, layering, dead code, dependencies, links of the pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/deptry .
	$(BIN)/python -m pytest tests/test_documents.py

settings: setup  ## docs/settings.md, made of the settings
	$(BIN)/python -m tasks.settings.reference > docs/settings.md

sbom: setup      ## build/sbom.cdx.json: every package of the lock (CycloneDX), the same bytes for the same lock
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --mc-type application \
	  --output-reproducible --of JSON -o build/sbom.cdx.json

audit: setup     ## known vulnerabilities of the lock; fails with "NOT CHECKED" where the database does not answer
	$(BIN)/python .ci/audit.py

quick: setup     ## tests without TensorFlow, servers, PostgreSQL or processes, in a minute
	$(BIN)/python -m pytest --quick -n $(or $(JOBS),2) --dist loadfile

test: setup      ## the whole test suite, on two cores (JOBS=0 for one process)
	$(BIN)/python -m pytest -n $(or $(JOBS),2) --dist loadfile

coverage: setup  ## the whole test suite, and the share of lines and branches that it runs, per module
	$(BIN)/python -m pytest -n $(or $(JOBS),2) --dist loadfile --cov --cov-report=term:skip-covered --cov-report=html

bench: setup     ## the figures of docs/benchmarks.md (RIVAL=python of an environment with benchmarks/requirements.txt)
	$(BIN)/python benchmarks/table_size.py
	$(BIN)/python benchmarks/mapped.py
	$(BIN)/python benchmarks/lags.py $(if $(RIVAL),--rival-python $(RIVAL))
	$(BIN)/python benchmarks/forecast_start.py --stations 300,3000
	$(BIN)/python benchmarks/live_minute.py
	$(BIN)/python benchmarks/serve_load.py
	root=$$(mktemp -d) && $(BIN)/python benchmarks/schedule_cost.py --minutes 12 --root $$root \
	  && $(BIN)/python benchmarks/simulated_days.py $$root && rm -r $$root
	$(BIN)/python benchmarks/ingest.py
	$(BIN)/python benchmarks/compaction.py
	$(BIN)/python benchmarks/accuracy.py --sets chicago-total-october --retrain-every 7d $(if $(RIVAL),--rival-python $(RIVAL) --rivals lightgbm)
	$(BIN)/python benchmarks/ablation.py --retrain-every 60d --seeds 7
	$(BIN)/python benchmarks/gate.py
	$(BIN)/python benchmarks/published.py
	$(BIN)/python benchmarks/alerts.py
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/hourly_score.py
	$(BIN)/python benchmarks/training.py $(if $(RIVAL),--rival-python $(RIVAL))
	$(BIN)/python benchmarks/scaling.py --plot docs/scaling.png
	$(BIN)/python benchmarks/report.py

torture: setup   ## thousands of disturbed ingests and power cuts, and what was lost or doubled by them (TORTURE_TRIES=3000)
	PYTHONPATH=.:tests OMP_NUM_THREADS=1 $(BIN)/python -m torture $(if $(TORTURE_TRIES),--tries $(TORTURE_TRIES))

clean:           ## remove what the targets above made
	rm -rf $(VENV) .nexthour build
