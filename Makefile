# make run and build need Go and make: no C compiler, no node, no python.
# What else a target needs is said beside it.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

export CGO_ENABLED = 0

LINT_PACKAGE := github.com/golangci/golangci-lint/v2
LINT_VERSION := $(shell awk '$$1 == "$(LINT_PACKAGE)" { print $$2 }' tools/go.mod)
LINT         := .cache/golangci-lint-$(LINT_VERSION)

.DEFAULT_GOAL := help

##@ Use

.PHONY: run
run: build ## serve on http://127.0.0.1:8080, nothing configured: SQLite in ./data, mock payments, caught mail
	bin/patchbay serve

# Always run, and quick: go build knows best what is out of date.
.PHONY: build
build: ## make bin/patchbay, static and stripped
	$(GO) build -trimpath -ldflags '-s -w -X patchbay/app/cli.Version=$(VERSION)' -o bin/patchbay ./app/cmd/patchbay

##@ Prove

.PHONY: test
test: ## all tests, and how many contract cases ran on each adapter
	@$(GO) run ./tests/report -timeout=20m ./tests/e2e ./...

.PHONY: check
check: check-tidy check-generated vet lint race ## what must hold before a merge (a C compiler for the race detector)

.PHONY: bench
bench: build ## ratios to floors measured in the same run
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 30m ./tests/bench

# The other binary: git worktree add ../previous COMMIT, and there make build.
.PHONY: bench-pair
bench-pair: ## each task here and on OTHER, the path of another gateway's binary, in turn: the ratios
	PATCHBAY_BENCH_OTHER=$(abspath $(OTHER)) $(GO) test -run '^$$' -bench BesideAnotherBinary -benchtime 1x -timeout 20m ./tests/bench

.PHONY: interop
interop: build tests/interop/node_modules ## webhooks signed by Stripe's library (node 18 or later, npm); the store behind PgBouncer (pgbouncer); the API behind nginx and HAProxy (nginx, haproxy)
	node tests/interop/live.mjs
	@$(GO) run ./tests/report -tags interop -run PgBouncer ./adapters/storage/pgstore
	@$(GO) run ./tests/report -tags interop ./tests/proxies

.PHONY: chaos
chaos: build ## kill -9, stalls, steps of the clock, older files and faulty databases under load, more and longer than in make test
	PATCHBAY_CHAOS_KILLS=30 PATCHBAY_CHAOS_SICK=15s PATCHBAY_CHAOS_PAYMENTS=5000 $(GO) run ./tests/report -count=1 -timeout=30m ./tests/chaos
	PATCHBAY_FAULTED_PAYMENTS=2000 $(GO) run ./tests/report -count=1 -timeout=30m -run TestFaulted ./tests/orderpay

.PHONY: chaos-mail
chaos-mail: ## 10,000 mails through four failing providers, the gateway killed 25 times; then shorter, with one guard after the other removed
	PATCHBAY_CHAOS_MAILS=10000 PATCHBAY_CHAOS_MAIL_KILLS=25 $(GO) run ./tests/report -count=1 -timeout=30m ./tests/chaosmail

EXPLORE_TIME ?= 10m

.PHONY: explore
explore: ## payments and mail in every order, up to a bound, for EXPLORE_TIME (10m) on two cores: docs/explore.md
	PATCHBAY_EXPLORE_TIME=$(EXPLORE_TIME) $(GO) test -count=1 -timeout=0 -v ./tests/explore

FUZZ_TIME ?= 20s

.PHONY: fuzz
fuzz: ## 10 MB of mutated HTTP, then each fuzz test for FUZZ_TIME (20s)
	PATCHBAY_FRAMING_BYTES=10000000 $(GO) test -count=1 -run '^TestMutatedStreams$$' -v ./adapters/httpapi
	@grep -rn --include='*_test.go' '^func Fuzz' . | sed -E 's/^(.*)\/[^/]*:[0-9]+:func (Fuzz[A-Za-z0-9_]*).*/\1 \2/' | \
	while read -r dir name; do \
		echo "$$dir $$name"; \
		$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ_TIME) "$$dir" || exit 1; \
	done

##@ Parts of check

.PHONY: check-tidy
check-tidy: ## go.mod and go.sum are as go mod tidy leaves them, in each module
	$(GO) mod tidy -diff
	$(GO) -C tools mod tidy -diff
	$(GO) -C tests/ferretdb mod tidy -diff
	$(GO) -C tests/stripemock/server mod tidy -diff

.PHONY: check-generated
check-generated: ## generated code is as its sources say
	@sum() { find . -name '*.gen.go' -not -path './.*' -exec sha256sum {} + | sort; }; \
	before=$$(sum); $(GO) generate ./... && after=$$(sum) || exit 1; \
	[ "$$before" = "$$after" ] || { echo 'generated code was out of date; it is new now:'; git status --short -- '*.gen.go'; exit 1; }

.PHONY: vet
vet:
	$(GO) vet -tags interop ./...
	$(GO) vet -tags clockstep ./adapters/clock

.PHONY: lint
lint: $(LINT) ## linters and formatting: .golangci.yml
	$(LINT) run ./...

.PHONY: race
race: ## all tests under the race detector
	@CGO_ENABLED=1 $(GO) run ./tests/report -race -timeout=40m ./...

##@ Keep

.PHONY: format
format: $(LINT) ## gofumpt and gci, in place
	$(LINT) fmt ./...

.PHONY: generate
generate: ## models of the API from its OpenAPI document; the reference of providers from their folders
	$(GO) generate ./...
	$(GO) test -count=1 -run TestThePagesShowWhatTheFolders ./app -update

.PHONY: interop-vectors
interop-vectors: tests/interop/node_modules ## sign the webhooks that the Go tests read (node, npm)
	node tests/interop/vectors.mjs > adapters/payments/stripepay/testdata/stripe-node.json

.PHONY: help
help:
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Built once a version, in a minute or more; make test does without it.
$(LINT): tools/go.mod
	$(GO) -C tools build -trimpath -o ../$@ $(LINT_PACKAGE)/cmd/golangci-lint
	@touch $@

tests/interop/node_modules: tests/interop/package-lock.json
	cd tests/interop && npm ci --no-audit --no-fund
	@touch $@
