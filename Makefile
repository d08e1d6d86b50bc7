# make demo     install, run the demo grid, print its table, serve the leaderboard (DEMO_SERVE=0: do not serve)
# make test     install, then style, types and the whole test suite
# make methods  every method on the bundled data, offline; its CNNs and ViTs have generated weights
# make bench    what sharing is worth on this machine, as ratios
# make parity   InCTRL on ViT-B-16-plus-240 (generated weights) against a literal reference
# make chaos    inject faults into running grids, and print what came of them
# make install  the environment alone

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_SERVE ?= 1
DEMO_DIR ?= .
BUNDLED := dataset=digits-one-vs-all,dataset=digits-multi-class,dataset=textures

ROOTS := harness models datasets leaderboard grids

.PHONY: demo methods test bench parity chaos install check screenshots clean

install: $(VENV)/.installed

# What tests need comes on top: anomalib, a browser's driver, type checkers.
$(VENV)/.installed $(VENV)/.installed-test: pyproject.toml setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; found $$($(PYTHON) --version). Name one with PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.$(if $(filter %-test,$@),[test])'
	touch $(VENV)/.installed $@

demo: install
	$(BIN)/harness submit --grid demo --data $(DEMO_DIR)/gad-data --results $(DEMO_DIR)/gad-results
ifneq ($(DEMO_SERVE),0)
	$(BIN)/harness leaderboard --results $(DEMO_DIR)/gad-results
endif

# Weights that are drawn and not trained: results are marked and never ranked.
GENERATED := $(foreach name,resnet18 vit_small_patch14_dinov2,$(DEMO_DIR)/generated/$(name).safetensors)

$(GENERATED): | install
	$(BIN)/harness models generate timm:$(basename $(notdir $@)) $@

methods: install $(GENERATED)
	cd $(DEMO_DIR) && $(CURDIR)/$(BIN)/harness submit --grid methods --only $(BUNDLED)

# Type checkers do not follow the mapping of setup.py: give them a tree in which `gad` is a folder.
.typing/gad: Makefile
	mkdir -p $@
	for root in $(ROOTS); do ln -sfn ../../$$root $@/$$root; done
	touch $@

check: $(VENV)/.installed-test .typing/gad
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p gad

# Two test processes, a file at a time, in order (chaos is long and comes first; by default files of few tests come
# last, and one process waits for the other); what measures time comes after them, alone.
test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not alone"
	$(BIN)/python -m pytest -m alone

# Ratios against the naive way, on this machine (some minutes; leave it alone meanwhile).
bench: install
	$(BIN)/python benchmarks/run.py

# From image files to scores, 72 combinations; fails where one differs by 1e-4 (some minutes, some gigabytes).
parity: install
	$(BIN)/python benchmarks/parity.py

# Every fault five times (an hour on two cores; CHAOS="--runs 1" for once). Faults of disks need root.
chaos: $(VENV)/.installed-test
	$(BIN)/python tests/chaos/run.py $(CHAOS)

# The pictures of README and docs/leaderboard.md, from the demo's results.
screenshots: $(VENV)/.installed-test
	DEMO_SERVE=0 $(MAKE) demo
	$(BIN)/python -m gad.leaderboard.screenshot --results $(DEMO_DIR)/gad-results --out docs/leaderboard.png
	$(BIN)/python -m gad.leaderboard.screenshots --results $(DEMO_DIR)/gad-results --data $(DEMO_DIR)/gad-data --cache $(DEMO_DIR)/gad-cache --out docs/pages

clean:
	rm -rf .typing build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
