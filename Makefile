# The same verbs every day. Needs Python 3.10 or later and nothing else; everything goes into .venv.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# Benchmark and training data for the tests that want them; those tests skip where it is empty.
CLICKWISE_DATA ?= $(if $(wildcard ../shared/data),$(abspath ../shared/data))
ifneq ($(strip $(CLICKWISE_DATA)),)
export CLICKWISE_DATA
endif

.PHONY: help demo test soak check check-page clean

help:
	@echo "make demo    segment the bundled photo and look at the mask"
	@echo "make test    the whole test suite, offline, on a CPU"
	@echo "make soak    the long counts"
	@echo "make check   ruff, mypy, import directions, types of the page"
	@echo "make clean   remove .venv and what the checks left"

demo: $(VENV)/.installed-demo
	$(RUN) tools/demo.py

test: $(VENV)/.installed-dev
	$(RUN) -m pytest

soak: $(VENV)/.installed-dev
	$(RUN) -m pytest -m soak

check: $(VENV)/.installed-dev
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy --strict src
	$(RUN) -m pytest tests/test_imports.py
	@$(MAKE) --no-print-directory check-page

# Types of the annotator's page. Development only: without node this is passed over, and says so.
check-page:
	@if command -v npm >/dev/null && { [ -d node_modules/typescript ] || npm ci --silent --no-audit --no-fund; }; then \
		npm run --silent check; \
	else \
		echo "note: types of the page are not checked: npm or its package typescript is not to be had here"; \
	fi

clean:
	rm -rf $(VENV) node_modules build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.installed-demo: pyproject.toml constraints.txt tools/install.py
	$(PYTHON) tools/install.py $(VENV) --extra annotate
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt tools/install.py
	$(PYTHON) tools/install.py $(VENV) --extra dev
	touch $@ $(VENV)/.installed-demo
