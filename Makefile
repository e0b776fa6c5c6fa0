# Needs make and Python >= 3.11, nothing else. Each target makes .venv first where there is none;
# PYTHON=/path/to/python uses an environment that you already have instead.

PROFILE   ?= ## how much is computed: smoke, quick, hour or paper (default: quick)
FIGURE    ?= ## one output, such as table-3, or all of base-values, hard-samples or rivals (default: all)
DATA      ?= ## a data set's name, stand-in, or a file.npz (default: auto, generated in smoke and quick, else the papers')
SEEDS     ?= ## seeds for each method (default: 0, as many as the profile has)
EXAMPLES  ?= ## at most so many training examples (default: 0, as many as the profile has)
LEARNING_RATE ?= ## learning rate of every run (default: 0, the profile's)
BATCH_SIZE ?= ## examples in a mini-batch (default: 0, the profile's)
EPOCHS    ?= ## epochs of every run, pre-training included (default: 0, the profile's)
METHODS   ?= ## some of a figure's, by the names of their curves, such as PLB,PEB; the baseline stays (default: all)
PRECISION ?= ## auto, float32, tf32 (on a GPU) or bf16 (default: auto)
NETWORKS  ?= ## of hard-samples: all, or names such as resnet18,resnet50; of rivals: one name, one's own too (default: the profile's)
PROTOCOL  ?= ## of hard-samples: sound, or published as the paper did (default: sound)
PLUGIN    ?= ## a file.py of your own that registers a method, network, data set, profile or figure (default: none)
DEVICE    ?= ## auto, cpu or cuda (default: auto)
WORKERS   ?= ## worker processes (default: 0, one for each GPU, or each CPU core)
SCHEDULER ?= ## address of a Dask scheduler to send the runs to, tcp://host:8786 (default: this machine)
STALE     ?= ## of reproduce: stored runs of other code: keep and say so, rerun (the old ones stay, aside), or refuse (default: keep)
RERUN     ?= ## of verify: train so many stored runs again, chosen at random, and compare (default: 0)
MINUTES   ?= ## of gpu: what the whole call may take (default: 10)
OUT       ?= ## of gpu: where results go, and go on from an earlier call's (default: gpu-results)
PYTHON    ?= ## a Python that has the dependencies (default: .venv is made and used)

export PYTHONUNBUFFERED := 1

# What a knob says reaches the shell as the value of KNOB_..., as it was typed: nothing in it is expanded or run.
knobs := PROFILE FIGURE DATA SEEDS EXAMPLES LEARNING_RATE BATCH_SIZE EPOCHS METHODS PRECISION NETWORKS PROTOCOL PLUGIN \
	DEVICE WORKERS SCHEDULER STALE RERUN MINUTES OUT PYTHON
unexport $(knobs)
$(foreach knob,$(knobs),$(eval export KNOB_$(knob) := $$(value $(knob))))

# A knob that there is not is refused. Meant is the one whose letters, small or capital, differ in two at most.
letters = $(strip $(foreach pair,A:a B:b C:c D:d E:e F:f G:g H:h I:i J:j K:k L:l M:m N:n O:o P:p Q:q R:r S:s T:t U:u V:v \
	W:w X:x Y:y Z:z,$(if $(strip $(foreach letter,$(subst :, ,$(pair)),$(findstring $(letter),$(1)))),$(pair))))
apart = $(words $(filter-out $(1),$(2)) $(filter-out $(2),$(1)))
near = $(foreach knob,$(knobs),$(if $(filter $(2),$(call apart,$(call letters,$(1)),$(call letters,$(knob)))),$(knob)))
meant = $(firstword $(foreach number,0 1 2,$(call near,$(1),$(number))))
given := $(foreach name,$(.VARIABLES),$(if $(findstring command,$(origin $(name))),$(name)))
unknown := $(firstword $(filter-out $(knobs) SHELL,$(given)))
ifneq ($(unknown),)
$(error there is no knob $(unknown)$(if $(call meant,$(unknown)), (did you mean $(call meant,$(unknown))?)): give one of \
	$(knobs), or see make help)
endif

ifeq ($(strip $(value PYTHON)),)
python := .venv/bin/python
environment := .venv/.complete
else
python := "$$KNOB_PYTHON"
ifneq ($(filter ~/%,$(value PYTHON)),)
export KNOB_PYTHON := $(HOME)/$(patsubst ~/%,%,$(value PYTHON))
endif
export PYTHONPATH := $(CURDIR)
endif

flag = $(if $(strip $(value $(1))),--$(2)="$$KNOB_$(1)")
what := $(strip $(call flag,PROFILE,profile) $(call flag,FIGURE,figure) $(call flag,DATA,data) \
	$(call flag,SEEDS,seeds) $(call flag,EXAMPLES,examples) $(call flag,LEARNING_RATE,learning-rate) \
	$(call flag,BATCH_SIZE,batch-size) $(call flag,EPOCHS,epochs) $(call flag,METHODS,methods) \
	$(call flag,PRECISION,precision) $(call flag,NETWORKS,networks) $(call flag,PROTOCOL,protocol) \
	$(call flag,PLUGIN,plugin))
where := $(strip $(call flag,DEVICE,device) $(call flag,WORKERS,workers) $(call flag,SCHEDULER,scheduler))
hardsample := $(python) -m hardsample
kernels := PYTHONPATH="$$PWD:$$PWD/.triton" TRITON_INTERPRET=1 $(python) -m pytest tests/test_kernels.py tests/test_fused.py

.DEFAULT_GOAL := help
.PHONY: help reproduce figures shipped tables report lint test test-kernels test-all smoke bench leaderboard gpu data list plan status verify lab clean

help: ## this list
	@echo 'make TARGET [KNOB=value ...]'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@awk -F ' *[?]= ## ' '/^[A-Z_]+ *[?]= ## / { printf "  %-13s %s\n", $$1, $$2 }' Makefile

reproduce: $(environment) ## compute the runs that are not stored yet, then draw every figure and table
	$(hardsample) reproduce $(what) $(where) $(call flag,STALE,stale)

figures: $(environment) ## the notebooks alone: draw what is stored, compute nothing, name what is missing
	$(hardsample) figures $(what)

shipped: $(environment) ## draw all whose runs come with the package, each at its own size, and the tables over all runs; compute nothing
	$(hardsample) figures --shipped $(call flag,FIGURE,figure) $(call flag,DATA,data)
	$(hardsample) tables

tables: $(environment) ## the tables over all stored runs: deviations, CPU beside GPU, PLB at n = 1024, hours, what the papers say
	$(hardsample) tables

report: $(environment) ## the verdict on every claim of the papers: report/index.html, a page with the evidence, from stored runs
	$(hardsample) report

test: $(environment) ## the tests but for the slow ones, in about two minutes
	$(python) -m pytest -m "not slow"

lint: $(environment) ## ruff, types, and notebooks without output
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	$(python) -m nbstripout --verify notebooks/*.ipynb notebooks/*/*.ipynb

test-kernels: $(environment) .triton/.complete ## the GPU's kernels in Triton's interpreter and compiler, without a GPU
	$(kernels) -m "not slow"

test-all: $(environment) .triton/.complete ## every test, the kernels' too
	$(python) -m pytest
	$(kernels)

smoke: $(environment) ## the whole way in a minute or two, in a temporary folder
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT INT TERM && \
	HARDSAMPLE_RUNS=$$folder/runs HARDSAMPLE_FIGURES=$$folder/figures HARDSAMPLE_REPORT=$$folder/report \
	$(hardsample) reproduce $(what) $(where) --profile smoke

bench: $(environment) ## the timings in benchmarks/README.md, on this machine
	$(python) -m benchmarks

leaderboard: $(environment) ## the table of all methods on small problems; with PLUGIN=my_method.py METHODS=MyMethod, your own beside the others
	$(hardsample) leaderboard $(call flag,PLUGIN,plugin) $(call flag,METHODS,methods) $(call flag,WORKERS,workers)

gpu: $(environment) ## what a GPU is needed for, in stages, as far as MINUTES go
	$(hardsample) gpu $(call flag,MINUTES,minutes) $(call flag,OUT,out) $(call flag,DEVICE,device) $(call flag,DATA,data)

data: $(environment) ## fetch and describe one data set: make data DATA=emnist-letters
	$(hardsample) data $(call flag,DATA,data)

list: $(environment) ## every figure and table: what it needs, what of it is stored, and its minutes
	$(hardsample) list $(what)

plan: $(environment) ## what reproduce would compute, store and download, and how long it takes; nothing is done
	$(hardsample) reproduce --dry-run $(what) $(where) $(call flag,STALE,stale)

status: $(environment) ## how many runs of each figure and table are stored
	$(hardsample) status $(what)

verify: $(environment) ## check every stored run, and say which are of other code; with RERUN=5, train five again and compare
	$(hardsample) verify $(if $(call flag,RERUN,rerun),$(call flag,RERUN,rerun) $(what) $(where))

lab: $(environment) ## JupyterLab on copies of the notebooks, in lab/: git stays clean
	$(hardsample) lab

clean: ## remove .venv and caches; runs/, data/ and figures/ stay (what interrupted runs left: hardsample clean)
	rm -rf .venv .triton .pytest_cache .ruff_cache .hypothesis build hardsample.egg-info
	find hardsample tests benchmarks notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# Made in place of what an interrupted attempt left; the stamp is older than every later change of its two sources.
.venv/.complete: pyproject.toml constraints.txt
	@for base in python3.11 python3.12 python3.13 python3.14 python3; do \
		if $$base -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; else base=; fi; \
	done; \
	if [ -z "$$base" ]; then echo 'hardsample needs Python 3.11 or newer, and none was found: install one, or name one that has the dependencies with PYTHON=/path/to/python' >&2; exit 1; fi; \
	if [ -e .venv/.unfinished ]; then rm -rf .venv; fi; \
	echo "making .venv with $$base, once" && mkdir -p .venv && touch .venv/.unfinished && $$base -m venv .venv
	.venv/bin/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[reproduce,test]'
	@mv .venv/.unfinished $@

# A gigabyte, beside the environment: on a machine without CUDA nothing else has a use for it.
.triton/.complete: constraints-triton.txt
	rm -rf .triton
	$(python) -m pip install --disable-pip-version-check --no-deps --target .triton -r constraints-triton.txt
	@touch $@
