# Everything a newcomer types. Each target does the set-up that it needs by itself.

SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON := .venv/bin/python
SAM := .venv-tools/bin/sam
# sam looks for the function's Python on the path. Only sam: the rest names its interpreter.
WITH_TOOLS := PATH="$(CURDIR)/.venv-tools/bin:$$PATH" SAM_CLI_TELEMETRY=0
# The template and its policies as CloudFormation and IAM get them, for their linters.
TRANSLATED := .aws-sam/translated
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes

.PHONY: help
help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup ## See it work, on an AWS account inside this machine (two minutes)
	@$(WITH_TOOLS) $(PYTHON) -m sandbox.demo

# For example: make preview ARGS="--profile audit --all-regions --html preview.html"
.PHONY: preview
preview: setup ## See what it would change in your account, and change nothing (ARGS=--help)
	@PYTHONPATH=src $(PYTHON) -m preview $(ARGS)

# For example: make verify ARGS="--profile sandbox --region eu-west-1"
.PHONY: verify
verify: setup ## Ask a real account what AWS does where it is not recorded (ARGS=--help)
	@PYTHONPATH=src $(PYTHON) -m verify $(ARGS)

# For example: make redrive ARGS="--look"
.PHONY: redrive
redrive: setup ## After a mend: move what lies in the dead-letter queues back (ARGS=--look: only show it)
	@PYTHONPATH=src $(PYTHON) -m tools.redrive $(ARGS)

.PHONY: sandbox
sandbox: setup ## Start that account and keep it, for aws, sam and boto3 to try things on
	@$(PYTHON) -m sandbox $(ARGS)

.PHONY: test
test: setup .venv-lint/.installed .venv-applications/.installed ## Lint, types, template, then all tests
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(WITH_TOOLS) AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint
	$(PYTHON) -m tools.translate $(TRANSLATED)
	.venv-lint/bin/cfn-lint -- $(TRANSLATED)/template.json
	.venv-lint/bin/checkov --file $(TRANSLATED)/template.json --framework cloudformation --compact --quiet --skip-download
	PYTHONWARNINGS=ignore .venv-lint/bin/python tools/lint_policies.py $(TRANSLATED)/policies
	$(WITH_TOOLS) $(PYTHON) -m pytest --numprocesses=2 --dist=loadscope --no-loadscope-reorder

# The tests with many more examples (half a minute), then SECONDS under a coverage-guided fuzzer, which exists for Linux
# on x86-64. For example: make fuzz SECONDS=600, or: make fuzz ARGS=deliveries (ARGS=--help).
SECONDS := 90
.PHONY: fuzz
fuzz: setup .venv-fuzz/.installed ## Feed the readers and the plan any input (two minutes)
	$(PYTHON) -m pytest --quiet --hypothesis-profile=fuzz tests/unit
	@PYTHONPATH=src .venv-fuzz/bin/python -m fuzz --seconds $(SECONDS) $(ARGS)

.PHONY: faults
faults: setup ## Every fault at every call, and a flood of 2,000 stages (twenty minutes; make test has a part of it)
	FAULTS=all $(PYTHON) -m pytest --numprocesses=2 --dist=worksteal tests/faults

# For example: make worlds ARGS=--quick, or: make worlds ARGS="log_delivery_policy harshest" (ARGS=--help).
.PHONY: worlds
worlds: setup ## The tests again in every way that AWS may behave where nobody recorded it (an hour; ARGS=--quick)
	@$(WITH_TOOLS) $(PYTHON) -m tools.worlds $(ARGS)

# For example: make bench ARGS="--quick", or: make bench ARGS=cold_start (ARGS=--help). Times want the machine alone.
.PHONY: bench
bench: build .venv-bench/.installed ## Measure, and write benchmarks/RESULTS.md (half an hour)
	@$(WITH_TOOLS) PYTHONPATH=src $(PYTHON) -m benchmarks $(ARGS)

# The picture of the preview needs chromium. For example: make pictures ARGS=demo
.PHONY: pictures
pictures: setup ## Renew the pictures of the README (two minutes)
	@$(WITH_TOOLS) $(PYTHON) -m tools.pictures $(ARGS)

.PHONY: format
format: setup ## Format the code, and mend what lint can mend
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

.PHONY: build
build: setup ## Build the functions' packages
	@$(WITH_TOOLS) $(SAM) build
	@$(PYTHON) -m tools.package

# Whatever an older samconfig.local.toml has: the template can name its roles.
CAPABILITIES := --capabilities CAPABILITY_NAMED_IAM
# Your answers are kept in samconfig.local.toml, which git ignores. ASK=1 asks again.
.PHONY: deploy
deploy: build ## Deploy to your account; asks its questions the first time (ASK=1: again)
	@if [ -f samconfig.local.toml ] && ! cmp -s samconfig.toml samconfig.local.toml && [ -z "$(ASK)" ]; then \
	  $(WITH_TOOLS) $(SAM) deploy --config-file samconfig.local.toml $(CAPABILITIES); \
	else \
	  [ -f samconfig.local.toml ] || cp samconfig.toml samconfig.local.toml; \
	  $(WITH_TOOLS) $(SAM) deploy --guided --config-file samconfig.local.toml $(CAPABILITIES); \
	fi

.PHONY: lock
lock: .venv-uv/.installed ## Renew the pinned requirements from their .in files
	for name in src/requirements requirements/applications requirements/bench requirements/dev requirements/fuzz requirements/lint requirements/tools; do \
	  .venv-uv/bin/uv pip compile --quiet --upgrade --generate-hashes --python-version 3.13 --no-header --no-annotate \
	    $$name.in --output-file $$name.txt || exit 1; \
	done

.PHONY: clean
clean: ## Remove all that was made here
	rm -rf .venv .venv-applications .venv-bench .venv-fuzz .venv-lint .venv-tools .venv-uv .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz .worlds

.PHONY: setup
setup: .venv/.installed .venv-tools/.installed

.venv/.installed: requirements/dev.txt
	@echo "Setting up .venv (half a minute, once)"
	@python=$$(tools/python3.13) && "$$python" -m venv --clear .venv
	@$(PYTHON) $(PIP_INSTALL) -r $<
	@touch $@

.venv-tools/.installed: requirements/tools.txt
	@echo "Setting up .venv-tools, with the SAM and AWS command lines (half a minute, once)"
	@python=$$(tools/python3.13) && "$$python" -m venv --clear .venv-tools
	@.venv-tools/bin/python $(PIP_INSTALL) -r $<
	@touch $@

.venv-applications/.installed: requirements/applications.txt
	@echo "Setting up .venv-applications, with what the tests of applications deploy with (once)"
	@python=$$(tools/python3.13) && "$$python" -m venv --clear .venv-applications
	@.venv-applications/bin/python $(PIP_INSTALL) -r $<
	@touch $@

.venv-bench/.installed: requirements/bench.txt
	@echo "Setting up .venv-bench, with what the benchmarks compare with (half a minute, once)"
	@python=$$(tools/python3.13) && "$$python" -m venv --clear .venv-bench
	@.venv-bench/bin/python $(PIP_INSTALL) -r $<
	@touch $@

.venv-fuzz/.installed: requirements/fuzz.txt
	@echo "Setting up .venv-fuzz, with the fuzzer (half a minute, once)"
	@python=$$(tools/python3.13) && "$$python" -m venv --clear .venv-fuzz
	@.venv-fuzz/bin/python $(PIP_INSTALL) -r $<
	@touch $@

.venv-lint/.installed: requirements/lint.txt
	@echo "Setting up .venv-lint, with the linters of the template (half a minute, once)"
	@python=$$(tools/python3.13) && "$$python" -m venv --clear .venv-lint
	@.venv-lint/bin/python $(PIP_INSTALL) -r $<
	@touch $@

.venv-uv/.installed: requirements/uv.txt
	@python3 -m venv --clear .venv-uv
	@.venv-uv/bin/python $(PIP_INSTALL) -r $<
	@touch $@
