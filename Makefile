# `make demo` and `make test` install what is missing: programs from Debian's packages (as root or with sudo), the rest
# into .venv. PYTHON=python3.13 selects another interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
export PATH := $(PATH):/usr/sbin:/sbin
PYTEST ?= $(BIN)/python -m pytest
# Most tests wait more than they compute, so use more workers than CPUs.
WORKERS ?= 6
# pytest keeps the byte code of the tests: without it each worker compiles them anew, 3 s of CPU.
unexport PYTHONDONTWRITEBYTECODE

# Keep Debian from starting the services of the packages that it installs.
define policy
[ -e /usr/sbin/policy-rc.d ] || { trap '$(SUDO) rm -f /usr/sbin/policy-rc.d' EXIT; \
	printf '#!/bin/sh\nexit 101\n' | $(SUDO) tee /usr/sbin/policy-rc.d >/dev/null; $(SUDO) chmod 755 /usr/sbin/policy-rc.d; }
endef

# $(call need,CHECK,PACKAGES): install Debian packages where the shell command CHECK fails.
need = @{ $(1); } >/dev/null 2>&1 || { echo "installing $(2)"; $(policy); $(SUDO) apt-get update -qq && \
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2) >/dev/null; }

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint bench pictures

help:
	@echo "make demo      boot the example site on http://127.0.0.1:8080/; PORT=8081 chooses another port"
	@echo "make test      run the tests (container tests need a Docker Engine)"
	@echo "make test-all  run all tests, the thorough ones too, with more random examples, as continuous integration does"
	@echo "make lint      run ruff, mypy, hadolint on the Dockerfiles, zizmor and their schema on the workflows"
	@echo "make bench     compare supervision with s6 and runit; boot, stop and load with hand-written images (needs a Docker Engine)"
	@echo "make pictures  record the commands of the documentation in a terminal (needs a Docker Engine)"

$(BIN)/.installed: pyproject.toml
	$(call need,$(PYTHON) -c 'import ensurepip',python3-venv)
	@echo "installing Python packages into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install -q -e '.[uwsgi]' --group dev --group lint
	@touch $@

demo: PORT ?= 8080
demo: $(BIN)/.installed
	$(call need,command -v nginx,nginx-light)
	@mkdir -p .demo
	@echo "Site:    http://127.0.0.1:$(PORT)/"
	@echo "Admin:   http://127.0.0.1:$(PORT)/admin/ (user: demo, password: demo-password)"
	@echo "Stop:    Ctrl-C"
	@[ "$$(id -u)" != 0 ] || echo "User:    root, because you are; uWSGI warns of that"
	@cd examples/django && exec env SECRET_KEY=of-the-demo-alone-and-no-one-else DATA_DIR='$(CURDIR)/.demo' \
		STATIC_ROOT='$(CURDIR)/.demo/static' PORT=127.0.0.1:$(PORT) ENTRYPOINT_USER="$$(id -un)" \
		SUPERUSER_USERNAME=demo SUPERUSER_EMAIL=demo@example.com SUPERUSER_PASSWORD=demo-password \
		'$(abspath $(BIN))/entrypoint'

# First the tests that must run alone, in one process: it leaves the byte code of all tests for the workers.
test: PROFILE := quick
test: CHOICE := and not thorough
test-all: PROFILE := full
test test-all: $(BIN)/.installed
	$(call need,command -v nginx,nginx-light)
	$(call need,ls /usr/lib/nginx/modules/ngx_http_brotli_static_module.so,libnginx-mod-http-brotli-static)
	$(call need,ls /usr/lib/postgresql/*/bin/postgres,postgresql)
	$(call need,command -v mariadbd,mariadb-server-core)
	$(call need,command -v redis-check-rdb,redis-tools)
	$(call need,ls /usr/lib/rabbitmq/bin/rabbitmq-server,rabbitmq-server)
	$(call need,command -v pgbouncer,pgbouncer)
	$(call need,command -v lego && command -v pebble,lego pebble)
	$(call need,command -v openssl && command -v ip,openssl iproute2)
	$(if $(filter test-all,$@),$(call need,command -v prometheus,prometheus))
	@$(PYTEST) --hypothesis-profile=$(PROFILE) -m 'alone $(CHOICE)'
	@$(PYTEST) --hypothesis-profile=$(PROFILE) -n $(WORKERS) --dist loadgroup -m 'not alone $(CHOICE)'

lint: $(BIN)/.installed
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/hadolint Dockerfile.example docker/Dockerfile
	@$(BIN)/zizmor --quiet --no-progress --offline .github
	@$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema -q --builtin-schema vendor.compose-spec deploy/compose.yaml deploy/stack.yaml

bench: $(BIN)/.installed
	$(call need,command -v s6-svscan,s6)
	$(call need,command -v runsvdir,runit)
	$(call need,command -v wrk,wrk)
	$(call need,command -v nginx,nginx-light)
	$(call need,ls /usr/lib/nginx/modules/ngx_http_brotli_static_module.so,libnginx-mod-http-brotli-static)
	$(call need,ls /usr/lib/postgresql/*/bin/postgres,postgresql)
	$(call need,command -v mariadbd,mariadb-server-core)
	$(call need,command -v pgbouncer,pgbouncer)
	@$(BIN)/python bench/supervision.py
	@$(BIN)/python bench/prepare.py
	@$(BIN)/python bench/boot.py --picture docs/images/bench-boot.svg
	@$(BIN)/python bench/scale.py
	@$(BIN)/python bench/metrics.py
	@$(BIN)/python bench/idle.py
	@$(BIN)/python bench/throughput.py --picture docs/images/bench-latency.svg
	@$(BIN)/python bench/responses.py

pictures: $(BIN)/.installed
	@$(BIN)/python -m pip install -q --group pictures
	@$(BIN)/python bench/recordings.py
