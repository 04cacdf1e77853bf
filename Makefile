# Two commands do everything on a machine with Python >= 3.11 and make:
#   make demo   install, tell the story, serve the dashboard on 127.0.0.1:8050
#   make test   install what tests need, a headless Chromium included where it can, and run them all

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A registry that does not answer at once is asked again; pip itself retries single requests only.
retry = for attempt in 1 2 3; do $(1) && break; \
	if [ $$attempt = 3 ]; then echo "gave up after 3 tries: $(1)" >&2; exit 1; fi; sleep $$((attempt * 5)); done
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: demo quick-demo test story story-page bench zoo zoo-revive soak lint typecheck format screenshots figures clean

demo: $(VENV)/installed
	$(BIN)/flatline demo

quick-demo: $(VENV)/installed
	$(BIN)/flatline demo --quick --no-serve

test: $(VENV)/installed-test chromium
	$(BIN)/python -m pytest $(PYTEST_ARGS)

story: $(VENV)/installed
	$(BIN)/python tests/benchmarks/story.py $(STORY_ARGS)

bench: $(VENV)/installed-bench
	$(BIN)/python tests/benchmarks/run.py $(BENCH_ARGS)

# docs/story.md, docs/story.json and the README's table, of a fresh run of the demo.
story-page: $(VENV)/installed
	@test ! -e logs/story || { echo "logs/story is there already; move it away first" >&2; exit 1; }
	$(BIN)/flatline demo --no-serve --logs logs/story
	$(BIN)/python -m flatline.runs.story_page logs/story docs

zoo: $(VENV)/installed-bench
	$(BIN)/python tests/zoo/run.py $(ZOO_ARGS)

zoo-revive: $(VENV)/installed-bench
	$(BIN)/python tests/zoo/revive.py $(ZOO_ARGS)

soak: $(VENV)/installed-test
	$(BIN)/python tests/benchmarks/soak.py --kills 200
	$(BIN)/python tests/benchmarks/soak_resume.py

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(VENV)/installed-dev
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What the pictures of attributions show: the first pinned clip of the embedded data, and the last weights.
.PHONY: attributions
attributions: $(VENV)/installed
	for run in story-double-sigmoid story-published; do \
		$(BIN)/flatline attribute $$run b34ea82b15aa.wav --class true --iteration 350 || exit 1; done

screenshots: $(VENV)/installed-test chromium attributions
	$(BIN)/python -m flatline.dashboard.screenshots logs docs/images --widths 1280 --schemes light --runs story-double-sigmoid story-published

figures: $(VENV)/installed-test chromium attributions
	$(BIN)/python -m flatline.dashboard.figure_pictures logs/story-double-sigmoid logs/story-published docs/images/figures
	$(BIN)/python -m flatline.dashboard.figure_table docs/figures.md

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11; name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "no virtual environment could be made (on Debian: apt-get install python3-venv)" >&2; exit 1; }

$(VENV)/installed: $(VENV)/bin/python pyproject.toml
	@echo "installing flatline and what it needs (a few minutes, torch is large) ..."
	@$(call retry,$(INSTALL) --editable .)
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	@$(call retry,$(INSTALL) --editable '.[test]')
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed-test
	@$(call retry,$(INSTALL) --editable '.[bench]')
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@$(call retry,$(INSTALL) --editable '.[dev]')
	@touch $@

# Debian's Chromium, where there is none yet and apt may be used; where that fails the browser tests skip, and say so.
BROWSERS := chromium chromium-browser google-chrome
.PHONY: chromium
chromium:
	@for browser in $(BROWSERS); do command -v $$browser >/dev/null && exit 0; done; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		echo "installing Chromium for the browser tests ..."; \
		( $(call retry,apt-get update -qq >/dev/null && apt-get install -y -qq chromium >/dev/null) ) && exit 0; \
	fi; \
	echo "no Chromium is to be had here: the browser tests will skip"

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
