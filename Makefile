# make up    build msctl and run the reference fleet
# make test  run every test; prints what was skipped and why

BIN   := bin
GO    := go
RACE  := $(shell command -v gcc >/dev/null 2>&1 && echo -race)
STAMP := $(shell git describe --always --dirty 2>/dev/null || echo devel)
FLAGS := -ldflags '-s -w -X msctl.dev/msctl/internal/cli.Version=$(STAMP)'

.PHONY: build up down test check bench bench-fleet bench-proxy bench-telemetry bench-contracts bench-chaos generate clean help

build: ## msctl and its keeper in bin/
	CGO_ENABLED=0 $(GO) build $(FLAGS) -o $(BIN)/ ./cmd/...

up: export CGO_ENABLED=0 # the services share the build cache with msctl itself
up: build ## the reference fleet, in the foreground; its end by Ctrl-C is a good one
	@trap : INT; $(BIN)/msctl up || [ $$? -eq 130 ]

down: build ## end it
	$(BIN)/msctl down

test: build ## every test, with the race detector where a C compiler is there; the longest begin first
	@$(BIN)/msctl contract install --quiet || echo "make: warning: without libpact_ffi no contract is tested" >&2
	$(GO) test $(RACE) -timeout 25m -json ./services/e2e ./... | $(GO) run ./internal/testlog

check: export CGO_ENABLED=0 # so that it shares the build cache with msctl itself
check: ## format, vet, staticcheck, and that it builds for macOS
	@test -z "$$(gofmt -l cmd contracts internal scaffold services *.go)" || { gofmt -l cmd contracts internal scaffold services *.go; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./cmd/... ./contracts/... ./internal/... ./scaffold/...
	$(if $(RACE),CGO_ENABLED=1 $(GO) vet -tags pact ./services/... ./internal/bench/contracts)
	$(GO) tool staticcheck ./...

PART := fleet proxy telemetry contracts chaos
bench: $(PART:%=bench-%) ## the tables of docs/bench.md, or one: make bench PART=proxy
bench-fleet: build
	$(GO) run ./internal/bench -msctl $(BIN)/msctl
bench-proxy: build
	$(GO) run ./internal/bench/edges -msctl $(BIN)/msctl
bench-telemetry:
	$(GO) run ./internal/bench/spans
bench-contracts: build
	$(BIN)/msctl contract install --quiet
	$(GO) run ./internal/bench/contracts -msctl $(BIN)/msctl

bench-chaos: build
	$(GO) run ./internal/bench/chaos -msctl $(BIN)/msctl

generate: build ## reference pages, the schema and the picture of the fleet
	$(BIN)/msctl schema > docs/stack-v1.schema.json
	$(BIN)/msctl docs docs/reference
	{ echo '```mermaid'; $(BIN)/msctl graph --format mermaid; echo '```'; } > $(BIN)/graph.md
	sed -i -e '/^<!-- graph/,/^<!-- .graph/{/^<!-- graph/r $(BIN)/graph.md' -e '/^<!--/!d}' services/README.md

clean: ## what was built and what the fleet left
	rm -rf $(BIN) .msctl

help:
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
