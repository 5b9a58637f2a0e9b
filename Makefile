# Everything sets itself up: .venv from the package registries, nothing else.
PYTHON ?= python3
PORT ?= 8000
JOBS ?= 3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test lint bench clean image flash board-named test-board micropython-32bit
.DEFAULT_GOAL := help

help: ## this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 19

run: $(VENV)/run ## the whole device in a browser; PORT=8001, RESET=1 for a new board
	@$(BIN)/lutin run --port $(PORT) $(if $(RESET),--reset) $(if $(NO_BROWSER),--no-browser)

test: $(VENV)/test ## all tests; ARGS="-k store" for some of them
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'not screen' $(ARGS) || [ $$? = 5 ]
	@$(BIN)/python -m pytest -m screen $(ARGS) || [ $$? = 5 ]

lint: $(VENV)/lint ## ruff and basedpyright, firmware against the ESP32's stubs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright --project tools
	@$(BIN)/basedpyright --project firmware

test-board: $(VENV)/test ## PORT=/dev/ttyUSB0: what can be tested on a real board, on one with lutin on it
	@[ "$(filter-out file,$(origin PORT))" ] || { echo "Which port? make test-board PORT=/dev/ttyUSB0"; exit 1; }
	@$(BIN)/python -m pytest -s --port $(PORT) host_tests/onboard

micropython-32bit: ## a MicroPython with a board's objects and numbers, from Debian's source (needs gcc-multilib)
	@tools/micropython-32bit/build.sh

bench: $(VENV)/test ## figures: work per sample, memory, flash operations
	@$(BIN)/python host_tests/bench.py

KEYS := $(HOME)/.config/lutin/keys
KEY ?= $(KEYS)/signing-key.pem
IMAGE = $(BOARD) --key $(KEY) $(if $(MICROPYTHON),--micropython $(MICROPYTHON)) $(if $(NUMBER),--number $(NUMBER)) $(if $(APP),--app $(APP))

image: $(VENV)/run board-named $(KEYS)/signing-key.pem ## BOARD=…: MicroPython and lutin in one image, in build/
	@$(BIN)/lutin image $(IMAGE)

flash: $(VENV)/run board-named $(KEYS)/signing-key.pem ## BOARD=… [PORT= MICROPYTHON= ERASE=1]: onto a board
	@$(BIN)/lutin flash $(IMAGE) $(if $(filter-out file,$(origin PORT)),--port $(PORT)) $(if $(ERASE),--erase)

board-named:
	@[ "$(BOARD)" ] || { echo "Which board? make flash BOARD=esp32-devkit; all of them: lutin board list"; exit 1; }

$(KEYS)/signing-key.pem: | $(VENV)/run
	@echo "Your boards will take only releases that are signed with this key. Keep a copy of it:"
	@$(BIN)/lutin keys new $(KEYS)

clean: ## remove everything that make has made
	rm -rf $(VENV) .cache .desk build typings

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "lutin needs Python 3.10 or later; this is $$($(PYTHON) -V). Another one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "No venv: on Debian, apt install python3-venv."; exit 1; }

$(VENV)/run: pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/test: pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/run

$(VENV)/lint: pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --editable '.[test,lint]'
	@rm -rf typings && $(BIN)/python -m pip install --quiet --target typings 'micropython-esp32-stubs==1.29.0.post1'
	@touch $@ $(VENV)/run $(VENV)/test
