# Everything begins with `make setup`. `make demo` is the place to start.
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-reset test check bench chaos docs clean

SHELL := /bin/sh
READY := .venv/.ready
WORDS := src/viatica/locale/zh_Hans/LC_MESSAGES/django.mo
WORD_SOURCES := $(wildcard src/viatica/locale/zh_Hans/parts/*.po)
SEEDS ?= 1 2 3 4 5
OAS ?= dingtalk feishu wecom
# Extra arguments of pytest: make test ARGS="src/viatica/kernel -x"
ARGS ?=
WORKERS ?= 2

help:
	@echo 'make demo         从零启动演示公司 · start the demo company from nothing'
	@echo 'make demo-reset   清空演示数据 · throw the demo data away'
	@echo 'make test         全部测试 · all tests (ARGS="path -x" for some)'
	@echo 'make check        格式、类型、分层、迁移与测试 · format, lint, types, layers, migrations, tests'
	@echo 'make bench        性能测试 · benchmarks (BENCH=round_trip for one)'
	@echo 'make chaos        故障演练 · rehearse with faults (SEEDS="1 2 3")'
	@echo 'make docs         文档 · reference pages into docs/reference'

setup: $(READY) $(WORDS)

$(READY): uv.lock pyproject.toml deploy/setup.sh
	@sh deploy/setup.sh
	@touch $@

$(WORDS): $(WORD_SOURCES) $(READY)
	@.venv/bin/python -m viatica.config.translations

demo: setup
	@exec .venv/bin/viatica demo

demo-reset: setup
	@exec .venv/bin/viatica demo --reset

test: setup
	@exec .venv/bin/pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: setup
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/viatica manage makemigrations --check --dry-run
	@exec $(MAKE) --no-print-directory test

bench: setup
	@exec .venv/bin/python -m benchmarks $(BENCH)

chaos: setup
	@for seed in $(SEEDS); do for oa in $(OAS); do for mode in A B; do \
	    .venv/bin/viatica rehearse --oa $$oa --mode $$mode --chaos --seed $$seed || exit 1; \
	done; done; done

docs: setup
	@.venv/bin/viatica reference docs/reference

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache var/test var/bootstrap
