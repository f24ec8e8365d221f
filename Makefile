# SPDX-License-Identifier: Apache-2.0
# `make` lists what can be done. Every target does its own set-up; the second time that is instant.
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint doctor clean

PY := .venv/bin/python
OUT ?= out/demo
export PYTHON
# Three processes for two cores, because tests on a graph wait a good part of their time; and files in
# their order, which begins with the slow ones.
SPREAD := -n 3 --dist loadfile --no-loadscope-reorder

help: ## This list
	@printf 'tack: from a couple of clicks to a 6-DoF pick-and-place\n\n'
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18
	@printf '\nmake demo CLASS=shoe SEED=7                another object: mug cap shoe hammer screwdriver wrench bottle box'
	@printf '\nmake demo BAG=recording POINT=frame:u,v   runs on your own rosbag2, clicking that pixel of that frame\n'
	@printf 'Settings: OUT=folder (results of the demo), PYTHON=python3.12 (interpreter to build on)\n'

setup: ## System packages, .venv, pinned requirements (the others call it)
	@$(or $(PYTHON),python3) scripts/setup.py

demo: setup ## The whole job in a simulated cell, with a report to look at
	@$(PY) -m tack_cli.main demo --output "$(OUT)" $(if $(CLASS),--class "$(CLASS)") $(if $(SEED),--seed "$(SEED)") \
	  $(if $(BAG),--bag "$(BAG)") $(if $(POINT),--point "$(POINT)")

test: lint ## Every check and every test
	@$(PY) -m pytest $(SPREAD)
	@echo 'The tests on a ROS graph once more, with the field checks of older distributions:'
	@ROS_PYTHON_CHECK_FIELDS=1 $(PY) -m pytest -m ros test/tack_ros test/test_packaging.py $(SPREAD) -q

lint: setup ## Style, formatting and types
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m mypy

doctor: setup ## Is this machine fit? What to do if not
	@$(PY) -m tack_cli.main doctor

clean: ## Remove everything that was made here, .venv too
	rm -rf .venv build dist out install log *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
