# Everything here runs in .venv, which is made at first use. Only make and Python 3.11 or newer are needed.
# Another Python: make PYTHON=/path/to/python3.13 ...   More arguments for pytest: make test ARGS="-k retries -x"

# Tests start hundreds of processes: without compiled modules each would compile all of Plait again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
ARGS ?=

# The demo uses a PostgreSQL of its own, whatever the environment names.
DEMO := env -u PLAIT_DATABASE_URL -u DATABASE_URL

# What of ARGS leaves tests out: then the coverage says nothing.
CHOICE = $(filter-out tests/graph -x -v -q --durations%,$(ARGS))
COVERAGE := $(CURDIR)/.coverage.graph

TEXT := examples/documents/texts/alice.txt
PLAIT_RUN := $(BIN)/plait run examples/documents/pipeline.py:report path=$(TEXT)

.DEFAULT_GOAL := help
.PHONY: help demo etl library test faults mutations soak lint bench bench-scale bench-peers plans dashboard docs docs-serve pictures format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## describe real text files with a durable workflow, end to end
	@echo; echo "One document, task by task, on a PostgreSQL that starts by itself:"; echo
	@echo '$$ plait run examples/documents/pipeline.py:report path=$(TEXT)'
	@mkdir -p examples/documents/out
	@if [ -t 1 ]; then $(DEMO) $(PLAIT_RUN); else $(DEMO) $(PLAIT_RUN) > examples/documents/out/result.json; fi
	@echo; echo "All documents, from a Python program:"; echo
	@echo '$$ python examples/documents/pipeline.py'
	@$(DEMO) $(BIN)/python examples/documents/pipeline.py
	@echo; printf 'PostgreSQL: '; $(DEMO) $(BIN)/plait db stop
	@echo; echo "Nothing is left running. What next?"; echo
	@printf '  %-30s %s\n' \
		'the report of one document' 'less examples/documents/out/alice/report.md' \
		'the workflow' 'less examples/documents/pipeline.py' \
		'a file of yours' '$(BIN)/plait run examples/documents/pipeline.py path=FILE' \
		'the runs in the dashboard' '$(BIN)/plait serve --open' \
		'the runs, kept in .plait/' '$(BIN)/plait runs list' \
		'a source that fails at first' 'make etl' \
		'the tests' 'make test'

etl: $(VENV)/.runtime ## join real weather data, one source of which fails at first
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps 'vega-datasets>=0.9,<1'
	@$(DEMO) $(BIN)/python examples/etl/pipeline.py
	@printf '\nPostgreSQL: '; $(DEMO) $(BIN)/plait db stop

library: $(VENV)/.runtime ## compare texts: one child run for each, then wait for an approval
	@$(DEMO) $(BIN)/python examples/library/pipeline.py
	@printf '\nPostgreSQL: '; $(DEMO) $(BIN)/plait db stop

test: $(VENV)/.lint ## run all tests, and check that every line of the graph rules is covered
	@rm -f $(COVERAGE)*
	GRAPH_COVERAGE=$(COVERAGE) $(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)
	$(if $(CHOICE),,$(BIN)/python -m coverage combine --quiet --data-file=$(COVERAGE))
	$(if $(CHOICE),,$(BIN)/python -m coverage report --data-file=$(COVERAGE) --show-missing --fail-under=100)

faults: $(VENV)/.lint ## do Plait all the harm there is, for at most 20 minutes, and show what came of it
	@rm -rf .faults
	status=0; \
	PLAIT_FAULTS=long PLAIT_FAULTS_FIGURES=$(CURDIR)/.faults PLAIT_TEST_SECONDS=600 \
		$(BIN)/python -m pytest -n 2 --dist worksteal tests/faults $(ARGS) || status=$$?; \
	PYTHONPATH=tests $(BIN)/python -m faults.harness.figures .faults; exit $$status

mutations: $(VENV)/.lint ## break Plait in every listed way, and see that the fault tests notice; for an hour or more
	PYTHONPATH=tests $(BIN)/python -m faults.mutations $(ARGS)

soak: $(VENV)/.lint ## load for 30 minutes while workers and PostgreSQL crash: all is accounted for, nothing grows
	PYTHONPATH=tests $(BIN)/python -m faults.harness.soak $(ARGS)

lint: $(VENV)/.lint ## check style and types
	@status=0; \
	for tool in 'ruff check' 'ruff format --check' 'pyright --pythonpath $(BIN)/python' mypy; do \
		echo "$$tool"; $(BIN)/$$tool || status=1; \
	done; \
	exit $$status

format: $(VENV)/.lint ## put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.test ## measure, on this machine, against the bare SQL statements
	$(BIN)/python -m benchmarks $(ARGS)

bench-scale: $(VENV)/.test ## measure it full, with several workers and beside a forgotten transaction, for about 30 minutes
	$(BIN)/python -m benchmarks.scale $(ARGS)

bench-peers: $(VENV)/.test $(PEERS)/.ready ## measure it beside other systems (they go into .venv-peers), for about half an hour
	$(BIN)/python -m benchmarks.peers $(ARGS)

plans: $(VENV)/.test ## see that no statement of Plait reads more when every table has a million rows
	PLAIT_PLANS=1000000 PLAIT_TEST_SECONDS=1800 $(BIN)/python -m pytest -q tests/plans $(ARGS)

dashboard: ## build the dashboard into the package, from dashboard/ (needs Node 20)
	cd dashboard && npm ci --no-audit --no-fund --loglevel=error && npm run check && npm test && npm run build

docs: $(VENV)/.docs ## build the documentation into site/; warnings and dead links are errors
	$(BIN)/python tools/reference.py
	$(BIN)/python tools/command_reference.py
	$(BIN)/python tools/peers.py
	$(BIN)/zensical build --clean --strict
	$(BIN)/python tools/links.py
	@echo "open site/index.html"

docs-serve: $(VENV)/.docs ## show the documentation while you write it
	$(BIN)/zensical serve --open

pictures: $(VENV)/.test ## take the pictures in docs/images again (needs Chromium)
	$(BIN)/python dashboard/screenshots.py
	$(BIN)/python tools/pictures.py

clean: ## remove .venv, .venv-peers, caches and what the examples wrote
	rm -rf $(VENV) $(PEERS) site .cache .pytest_cache .ruff_cache .mypy_cache .hypothesis .faults .coverage* examples/*/out
	find src tests examples benchmarks -name __pycache__ -type d -exec rm -rf {} +

$(VENV)/.python:
	@set -e; \
	if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		for python in "$(PYTHON)" python3.13 python3.12 python3.11 python3.14 python3 python; do \
			if [ -n "$$python" ] && "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
			then found="$$python"; break; fi; \
		done; \
		if [ -z "$${found:-}" ]; then \
			echo "Plait needs Python 3.11 or newer with its venv module; none of python3.11 ... python3.14, python3 is one." >&2; \
			echo "Install it (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python)" >&2; \
			echo "or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; \
			exit 1; \
		fi; \
		echo "making $(VENV) with $$($$found --version)"; \
		"$$found" -m venv --clear $(VENV); \
	fi; \
	touch $@

$(VENV)/.runtime: $(VENV)/.python pyproject.toml
	@echo "installing Plait into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# Dependency groups need pip 25.1.
$(VENV)/.test: $(VENV)/.runtime
	@echo "installing what the tests need into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --group test
	@touch $@

$(VENV)/.docs: $(VENV)/.python pyproject.toml
	@echo "installing what builds the documentation into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable . --group docs
	@touch $@

$(VENV)/.lint: $(VENV)/.test
	@echo "installing the linters into $(VENV)"
	@$(BIN)/python -m pip install --quiet --group lint
	@touch $@

# The same Python as Plait's own, so that the interpreter makes no difference. npm brings its own Node.js.
$(PEERS)/.ready: $(VENV)/.python benchmarks/peers/requirements.txt benchmarks/peers/package.json
	@echo "installing the other systems into $(PEERS)"
	@$(BIN)/python -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers/requirements.txt
	@mkdir -p $(PEERS)/node && cp benchmarks/peers/package.json $(PEERS)/node
	@if command -v npm >/dev/null; then \
		npm install --prefix $(PEERS)/node --no-audit --no-fund --loglevel=error; \
	else \
		echo "without Graphile Worker: there is no npm"; \
	fi
	@touch $@
