# All commands of the project. Each target first does the set-up that it needs.

SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON := .venv/bin/python
SAM := .venv-tools/bin/sam
# sam searches the path for the Python of the functions. All other commands name their interpreter.
WITH_TOOLS := PATH="$(CURDIR)/.venv-tools/bin:$$PATH" SAM_CLI_TELEMETRY=0
# The template and its policies in the form that CloudFormation and IAM get, for linters.
TRANSLATED := .aws-sam/translated
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.installed .venv-tools/.installed ## Set up the environments of the commands, with sam and aws (two minutes, once)

# $(value ARGS) is ARGS as it was given: make expands nothing in it, so that names such as $default and ${apiId} stay.
# For example: make demo ARGS=organization, which takes four minutes (ARGS=--help).
.PHONY: demo
demo: setup ## Show Log Keeper at work in a simulated AWS account (two minutes), or ARGS=organization
	@$(WITH_TOOLS) $(PYTHON) -m sandbox.demo $(value ARGS)

# For example: make preview ARGS="--profile audit --all-regions --html preview.html"
# Exit code 3 (stages would be remediated) is a result, and no failure of the target. It prints what else is wrong.
.PHONY: preview
preview: setup ## Show what Log Keeper would change in your AWS account, and change nothing (ARGS=--help)
	@PYTHONPATH=src $(PYTHON) -m preview $(value ARGS) || [ $$? -eq 3 ]

# For example: make logs ARGS="--api shop --stage prod --errors --since 1h"
# Exit code 3 (a limit ended the search early) is a result, and no failure of the target. It prints what else is wrong.
.PHONY: logs
logs: setup ## Show the requests to a stage of your AWS account with their log lines (ARGS=--help)
	@PYTHONPATH=src $(PYTHON) -m logs $(value ARGS) || [ $$? -eq 3 ]

# For example: make verify ARGS="--profile sandbox --region eu-west-1"
.PHONY: verify
verify: setup ## Test in a real AWS account what AWS does in the points that nobody has recorded (ARGS=--help)
	@PYTHONPATH=src $(PYTHON) -m verify $(value ARGS)

# For example: make redrive ARGS="--list". Its exit code 3, there are messages, is no failure of make.
.PHONY: redrive
redrive: setup ## Process the messages of the dead-letter queues again (ARGS=--list: only list them)
	@PYTHONPATH=src $(PYTHON) -m tools.redrive $(value ARGS) || [ $$? -eq 3 ]

.PHONY: stop
stop: setup ## Stop all changes by Log Keeper now (ARGS=--status: only show whether they are stopped)
	@PYTHONPATH=src $(PYTHON) -m tools.stop $(value ARGS) || [ $$? -eq 3 ]

.PHONY: resume
resume: setup ## Allow Log Keeper's changes again after make stop; messages that wait are processed
	@PYTHONPATH=src $(PYTHON) -m tools.stop --resume $(value ARGS)

.PHONY: sandbox
sandbox: setup ## Start the simulated AWS account and keep it running, for aws, sam and boto3 (ARGS=--help)
	@$(PYTHON) -m sandbox $(value ARGS)

# Two checks at a time. Four processes of pytest, since many tests wait.
.PHONY: test
test: setup-tests ## Check format, types and templates, then run all tests (eight minutes on two processors)
	@$(MAKE) --no-print-directory --jobs=2 lint-code lint-templates
	$(WITH_TOOLS) $(PYTHON) -m pytest --numprocesses=4 --dist=loadscope --no-loadscope-reorder

# All environments at the same time, after the one thing that they share: a Python that may have to be installed first.
.PHONY: setup-tests
setup-tests:
	@tools/python3.13 >/dev/null
	@$(MAKE) --silent --no-print-directory --jobs=4 setup .venv-lint/.installed .venv-applications/.installed

.PHONY: lint
lint: lint-code lint-templates ## Check format, types and templates

.PHONY: lint-code
lint-code: setup
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(WITH_TOOLS) AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint

.PHONY: lint-templates
lint-templates: setup .venv-lint/.installed
	$(PYTHON) -m tools.translate $(TRANSLATED)
	.venv-lint/bin/cfn-lint -- $(TRANSLATED)/*.json examples/*/*.yaml
	.venv-lint/bin/checkov --file $(TRANSLATED)/*.json examples/*/*.yaml --framework cloudformation --compact --quiet --skip-download
	PYTHONWARNINGS=ignore .venv-lint/bin/python tools/lint_policies.py $(TRANSLATED)/policies organization

# Runs the unit tests with many more examples (half a minute), then a coverage-guided fuzzer for SECONDS. The fuzzer
# exists for Linux on x86-64 only. For example: make fuzz SECONDS=600, or: make fuzz ARGS=deliveries (ARGS=--help).
SECONDS := 90
.PHONY: fuzz
fuzz: setup .venv-fuzz/.installed ## Test the parsers and the policy with random input (two minutes)
	$(PYTHON) -m pytest --quiet --hypothesis-profile=fuzz tests/unit
	@PYTHONPATH=src .venv-fuzz/bin/python -m fuzz --seconds $(SECONDS) $(value ARGS)

.PHONY: faults
faults: setup ## Test every fault at every AWS call, and 2,000 stages at once (twenty minutes; make test runs a part of it)
	FAULTS=all $(PYTHON) -m pytest --numprocesses=2 --dist=worksteal tests/faults

.PHONY: organization
organization: setup ## Test an organization of 12 accounts with 240 stages (four minutes; make test: 4 accounts)
	$(WITH_TOOLS) ORGANIZATION=full $(PYTHON) -m pytest tests/e2e/test_organization_story.py

# For example: make worlds ARGS=--quick, or: make worlds ARGS="log_delivery_policy harshest" (ARGS=--help).
.PHONY: worlds
worlds: setup ## Run the tests with each possible behaviour of AWS that nobody has recorded (an hour; ARGS=--quick)
	@$(WITH_TOOLS) $(PYTHON) -m tools.worlds $(value ARGS)

# For example: make bench ARGS="--quick", or: make bench ARGS=cold_start (ARGS=--help). Run nothing else meanwhile.
.PHONY: bench
bench: build .venv-bench/.installed ## Run the benchmarks, and write benchmarks/RESULTS.md (half an hour)
	@$(WITH_TOOLS) PYTHONPATH=src $(PYTHON) -m benchmarks $(value ARGS)

# The picture of the preview needs chromium. For example: make pictures ARGS=demo
.PHONY: pictures
pictures: setup ## Update the pictures of the README (two minutes)
	@$(WITH_TOOLS) $(PYTHON) -m tools.pictures $(value ARGS)

.PHONY: format
format: setup ## Format the code, and apply the fixes of the linter
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

.PHONY: build
build: setup ## Build the packages of the Lambda functions
	@$(WITH_TOOLS) $(SAM) build
	@$(PYTHON) -m tools.package

# Given here too, for a samconfig.local.toml of an older version: the template can name its roles, and has nested stacks.
CAPABILITIES := --capabilities CAPABILITY_NAMED_IAM CAPABILITY_AUTO_EXPAND
# sam saves your answers in a file that git ignores; those for the sandbox account in one of their own, so that they are
# not used for your account. ASK=1 asks again.
ANSWERS := $(if $(AWS_ENDPOINT_URL),samconfig.sandbox.toml,samconfig.local.toml)
.PHONY: deploy
deploy: build ## Deploy to your AWS account; the first time it asks for the parameters (ASK=1: ask again)
	@$(if $(EMPTY),PYTHONPATH=src $(PYTHON) -m tools.empty_answers $(ANSWERS) $(value EMPTY))
	@if [ -f $(ANSWERS) ] && ! cmp -s samconfig.toml $(ANSWERS) && [ -z "$(ASK)" ]; then \
	  echo "Deploying with your answers in $(ANSWERS). make deploy ASK=1 asks again."; \
	  $(WITH_TOOLS) $(SAM) deploy --config-file $(ANSWERS) $(CAPABILITIES); \
	else \
	  [ -f $(ANSWERS) ] || cp samconfig.toml $(ANSWERS); \
	  $(WITH_TOOLS) $(SAM) deploy --guided --config-file $(ANSWERS) $(CAPABILITIES); \
	fi

# For example: make release BUCKET_PREFIX=acme-log-keeper REGIONS=eu-west-1,us-east-1 (YES=1: do not ask; ARGS=--help).
RELEASE := $(if $(BUCKET_PREFIX),--bucket-prefix '$(BUCKET_PREFIX)') $(if $(REGIONS),--regions '$(REGIONS)') $(if $(YES),--yes)
.PHONY: release
release: build ## Upload the application to buckets of yours, with quick-create links (BUCKET_PREFIX=... REGIONS=...)
	@$(WITH_TOOLS) PYTHONPATH=src $(PYTHON) -m tools.release $(RELEASE) $(value ARGS) || [ $$? -eq 3 ]

.PHONY: lock
lock: .venv-uv/.installed ## Update the pinned requirements from their .in files
	for name in src/requirements requirements/applications requirements/bench requirements/dev requirements/fuzz requirements/lint requirements/tools; do \
	  .venv-uv/bin/uv pip compile --quiet --upgrade --generate-hashes --python-version 3.13 --no-header --no-annotate \
	    $$name.in --output-file $$name.txt || exit 1; \
	done

.PHONY: clean
clean: ## Delete all environments and build results
	rm -rf .venv .venv-applications .venv-bench .venv-fuzz .venv-lint .venv-tools .venv-uv .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz .worlds

.venv/.installed: requirements/dev.txt
	@echo "Setting up .venv (a minute, once)"
	@python=$$(tools/python3.13) && "$$python" -m venv --clear .venv
	@$(PYTHON) $(PIP_INSTALL) -r $<
	@touch $@

.venv-tools/.installed: requirements/tools.txt
	@echo "Setting up .venv-tools, with the SAM and AWS command lines (a minute, once)"
	@python=$$(tools/python3.13) && "$$python" -m venv --clear .venv-tools
	@.venv-tools/bin/python $(PIP_INSTALL) -r $<
	@touch $@

.venv-applications/.installed: requirements/applications.txt
	@echo "Setting up .venv-applications, with the deployment tools that tests/applications uses (once)"
	@python=$$(tools/python3.13) && "$$python" -m venv --clear .venv-applications
	@.venv-applications/bin/python $(PIP_INSTALL) -r $<
	@touch $@

.venv-bench/.installed: requirements/bench.txt
	@echo "Setting up .venv-bench, with the programs that the benchmarks compare (half a minute, once)"
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
