# An index: each target is a line that calls something that does the work. Everything sets itself up (see deploy/).
# PYTHON=/path/to/python3.13 names the Python to use, REPORT=FILE writes the demo's result, KEEP=1 keeps it running.

MENTORSTREAM := .venv/bin/mentorstream

.DEFAULT_GOAL := help
.PHONY: help setup test lint format faults demo bench-delivery bench-matching up down status clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

setup: ## Make or update the virtual environment in .venv
	@PYTHON="$(PYTHON)" sh deploy/bootstrap.sh

test: setup ## Run every check: linters, types, import rules, all tests
	@sh deploy/check.sh

lint: setup ## Run the checks that need no servers
	@sh deploy/check.sh lint

format: setup ## Format the code and mend what ruff can mend
	@.venv/bin/ruff check --fix . && .venv/bin/ruff format .

faults: setup ## Run the long form of the fault tests; SEED=, ONLY=F1,F6 and ROUNDS= choose
	@MENTORSTREAM_FAULTS=long MENTORSTREAM_FAULTS_SEED="$(SEED)" MENTORSTREAM_FAULTS_ONLY="$(ONLY)" \
	    MENTORSTREAM_FAULTS_ROUNDS="$(ROUNDS)" .venv/bin/pytest tests/faults; \
	    status=$$?; .venv/bin/python -m tests.faults.reliability; exit $$status

demo: setup ## Run the demo: four driven weeks of twelve organisations, in some two minutes
	@$(MENTORSTREAM) demo $(if $(REPORT),--report "$(REPORT)") $(if $(KEEP),--keep)

bench-delivery: setup ## Measure the delivery path beside stock Faust and the limit, some 15 minutes; writes results and a page
	@.venv/bin/python -m benchmarks.delivery --results benchmarks/results/delivery.json --page docs/benchmarks/delivery.md

bench-matching: setup ## Measure the matching engine beside other libraries; CASES=... for some of the cases
	@.venv/bin/python -m benchmarks.matching $(CASES)

up: setup ## Start the local system: Kafka, PostgreSQL, mail sink, six services
	@$(MENTORSTREAM) up

down: ## Stop the local system; its data stays in .local
	@$(MENTORSTREAM) down

status: ## Show what of the local system runs
	@$(MENTORSTREAM) status

clean: ## Stop the local system; remove its data, the caches and .venv
	@if [ -x $(MENTORSTREAM) ]; then $(MENTORSTREAM) down || [ $$? -eq 3 ]; fi
	@rm -rf .local .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* .venv
