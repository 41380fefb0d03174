# Everything here sets itself up: a virtual environment in .venv, with the versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
export TOKENIZERS_PARALLELISM := false

.PHONY: help demo test test-slow lint clean
help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

$(VENV)/.installed: setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "LISTEN needs Python 3.10 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	@touch $@

# One thread a process: at the miniature's size two processes are faster than two threads.
DEMO := HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(RUN)
TRAIN := $(DEMO) recipes/train_listen.py recipes/configs/miniature.yaml --responses runs/demo/responses --save_steps 0
EVALUATE := $(DEMO) recipes/evaluate_listen.py --resume false --output_dir runs/demo \
    --benchmarks sound_world/random sound_world/popular sound_world/adversarial --systems

demo: $(VENV)/.installed  ## the whole paper in miniature, about five minutes on two cores; ends with its table
	$(DEMO) recipes/synthesize_listen.py --samples positive=2 negative=1 --batch_size 128 --output_dir runs/demo/responses
	@echo "Training two models side by side; the one without negatives reports to runs/demo/without_negatives.log"
	@$(TRAIN) --mixture positive+positive --output_dir runs/demo/without_negatives >runs/demo/without_negatives.log 2>&1 & \
	without=$$!; $(TRAIN) --output_dir runs/demo/model && wait $$without
	@echo "Asking two groups of systems side by side; the second reports to runs/demo/evaluation.log"
	@$(EVALUATE) "LISTEN positive+positive=listen:runs/demo/without_negatives" "silence=silence:listen:runs/demo/model" \
	    always-yes >runs/demo/evaluation.log 2>&1 & others=$$!; \
	$(EVALUATE) "LISTEN positive+negative=listen:runs/demo/model" text && wait $$others
	$(DEMO) recipes/report_listen.py --results runs/demo --output_dir runs/demo --reference "LISTEN positive+negative"

test: $(VENV)/.installed  ## the tests, under ten minutes on two cores
	OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n 2 -m "not slow" tests

test-slow: $(VENV)/.installed  ## the long ones: kills and resumes, whole-size geometry, servers
	OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n 2 -m slow tests

lint: $(VENV)/.installed  ## ruff
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

clean:  ## the virtual environment and all results
	rm -rf $(VENV) runs
