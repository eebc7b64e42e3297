# make run    everything on this machine: a Golem network, the launcher page, JupyterLab one click away
# make test   the whole test suite, with its own set-up
# make check  style, types and the direction of imports
# make soak   twenty kills at random moments of a busy session, a hundred under a notebook, fifty fail-overs to a standby,
#             twenty kills of a hub and fifty of a job, ends with unsaved documents, what is costly, who listens,
#             a full disk, a kernel's line that is cut for a minute in all, and an hour of hostile and thoughtless programs
#             (GOLEM_LAUNCHER_MIX_SECONDS)
# make down   stop what `make run` left running in the background

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: run test soak quick check down pins clean bench pictures generated docs

run: $(VENV)/.installed
	$(BIN)/golem-launcher page

test: $(VENV)/.installed-tests
	$(BIN)/python -m tests

quick: $(VENV)/.installed-tests
	$(BIN)/python -m tests quick

# GOLEM_LAUNCHER_SEED chooses other moments; they are printed.
soak: $(VENV)/.installed-tests
	GOLEM_LAUNCHER_KILLS=$${GOLEM_LAUNCHER_KILLS:-20} $(BIN)/python -m pytest -q tests/session/test_kills.py
	$(BIN)/python -m tests.soak --seed $${GOLEM_LAUNCHER_SEED:-1}
	GOLEM_LAUNCHER_HUB_KILLS=$${GOLEM_LAUNCHER_HUB_KILLS:-20} $(BIN)/python -m pytest -q tests/hub_spawner/test_hub.py
	GOLEM_LAUNCHER_KILLS=$${GOLEM_LAUNCHER_KILLS:-50} $(BIN)/python -m pytest -q tests/tasks/test_misbehaviour.py -k killed
	GOLEM_LAUNCHER_SOAK=1 $(BIN)/python -m pytest -q tests/browser/test_open_documents.py tests/workspace/transfer/test_bombs.py
	$(BIN)/python -m pytest -q tests/workspace/transfer/test_left_out.py tests/access/sockets/test_listener.py tests/session/test_full_store.py
	GOLEM_LAUNCHER_CUT_SECONDS=3 $(BIN)/python -m pytest -q tests/kernel/test_loss.py -k a_line_that_breaks
	GOLEM_LAUNCHER_MIX_SECONDS=$${GOLEM_LAUNCHER_MIX_SECONDS:-3600} $(BIN)/python -m pytest -q -s tests/session/test_hostile_mix.py

check: $(VENV)/.installed-tests
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && scripts/check-page

bench: $(VENV)/.installed-tests
	$(BIN)/python -m benchmarks

# Pictures of the page for the documents, made by the browser tests.
pictures: $(VENV)/.installed-tests
	GOLEM_LAUNCHER_PICTURES=docs/images $(BIN)/python -m pytest -q tests/browser/test_pictures.py tests/browser/test_in_the_lab.py

# What is made from the code: types for editors, docs/cli.md, dashboards. A test compares.
generated: $(VENV)/.installed-tests
	$(BIN)/python scripts/generate
	$(BIN)/python scripts/dashboards

# The documents as a site, in .site: every page, link and anchor is checked. It has tools of its own, in .venv-docs.
docs: .venv-docs/.installed
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict

.venv-docs/.installed: docs/requirements.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	touch $@

down: $(VENV)/.installed
	$(BIN)/golem-launcher down

$(VENV)/.installed: requirements.txt pyproject.toml scripts/install
	PYTHON=$(PYTHON) scripts/install $(VENV) requirements.txt
	touch $@

$(VENV)/.installed-tests: $(VENV)/.installed tests/requirements.txt
	PYTHON=$(PYTHON) scripts/install $(VENV) requirements.txt tests/requirements.txt
	touch $@

# Needs uv (https://docs.astral.sh/uv) for pins that hold on every supported Python.
pins:
	scripts/pins

clean:
	rm -rf $(VENV) .venv-docs .site
