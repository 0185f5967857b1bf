# nolock: `make help` lists the targets.
#
# Everything runs in .venv, made on first use and brought up to date when pyproject.toml changes.
# To choose another interpreter: make PYTHON=python3.12 verify

PYTHON := python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help verify test lint bench peers scale growth clean

help:
	@echo "make verify   check every design against the verdicts it expects"
	@echo "make test     run all tests, the slow ones included"
	@echo "make lint     ruff check, ruff format --check, mypy --strict"
	@echo "make bench    measure speed"
	@echo "make peers    measure speed against SPIN and Rumur, which must be installed"
	@echo "make scale    measure memory per state, threads, and the largest search that fits (24 GiB)"
	@echo "make growth   measure and draw how searches grow with each bound"
	@echo "make clean    remove .venv and everything else that was generated here"

verify: $(STAMP)
	@$(BIN)/nolock verify

test: $(STAMP)
	@$(BIN)/pytest -q -n auto

lint: $(STAMP)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy --strict

bench: $(STAMP)
	@$(BIN)/python -m benchmarks

peers: $(STAMP)
	@$(BIN)/python -m benchmarks.peers

scale: $(STAMP)
	@$(BIN)/python -m benchmarks.scale

growth: $(STAMP)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[growth]"
	@$(BIN)/python -m benchmarks.growth

clean:
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name .git -prune -o -type d -name __pycache__ -exec rm -rf {} +

# The stamp is written last: an installation that was interrupted is done again.
$(STAMP): pyproject.toml
	@$(check_python)
	@extras=dev; \
	command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null \
	    || extras=dev,compiler; \
	echo "Installing nolock into $(VENV) ($$extras), once; this takes a minute ..."; \
	$(PYTHON) -m venv $(VENV) \
	    && $(BIN)/python -m pip install -q --disable-pip-version-check -e ".[$$extras]"
	@touch $@

# Stops with the one command that mends it when there is no Python 3.11 that can make a venv, or
# nowhere to make it: pip writes to the checkout even if VENV is elsewhere.
# A Debian or Ubuntu python3 comes without ensurepip; the package that has it is named after the
# exact version. A newer interpreter is run before it is offered: it may be a shim that is not set up.
define check_python
version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); \
again="$(or $(MAKECMDGOALS),verify)"; \
if [ -z "$$version" ] || ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
    problem="nolock needs Python 3.11 or newer; $(PYTHON) is $${version:-missing}."; \
    mend=; \
    for newer in python3.14 python3.13 python3.12 python3.11; do \
        [ -z "$$mend" ] && $$newer -c 'import ensurepip, venv' 2>/dev/null \
            && mend="make PYTHON=$$newer $$again"; \
    done; \
    if [ -n "$$mend" ]; then :; \
    elif command -v apt-get >/dev/null && [ -z "$$version" ]; then \
        mend="sudo apt-get install python3-venv && make $$again"; \
    elif command -v apt-get >/dev/null; then \
        mend="sudo apt-get install python3.11-venv && make PYTHON=python3.11 $$again"; \
    elif command -v dnf >/dev/null; then \
        mend="sudo dnf install python3.11 && make PYTHON=python3.11 $$again"; \
    elif command -v brew >/dev/null; then \
        mend="brew install python@3.12 && make PYTHON=python3.12 $$again"; \
    else mend="make PYTHON=/path/to/python3.11-or-newer $$again"; fi; \
elif ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
    problem="$(PYTHON) cannot make a virtual environment: its modules venv or ensurepip are missing."; \
    if command -v apt-get >/dev/null; then mend="sudo apt-get install python$$version-venv"; \
    else mend="make PYTHON=/path/to/a-complete-python3 $$again"; fi; \
elif [ ! -w . ]; then \
    problem="$(CURDIR) cannot be written, and nolock is installed from inside it."; \
    mend="cp -R $(CURDIR) $${TMPDIR:-/tmp}/nolock && make -C $${TMPDIR:-/tmp}/nolock $$again"; \
else exit 0; fi; \
printf '%s\nThis mends it:\n\n    %s\n\n' "$$problem" "$$mend" >&2; exit 1
endef
