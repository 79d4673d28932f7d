# Linewatch. `make demo` shows it, `make test` checks it; both install what they need.
SHELL := /bin/bash
export CGO_ENABLED ?= 0
# The set-up may have put a newer Node into .cache/tools.
WITH = set -a; [ ! -f .cache/tools/env ] || . .cache/tools/env; set +a;
BIN = bin/linewatch-agent bin/linewatch-aggregator bin/linewatch-verify
COMMIT = $(shell git describe --always --dirty 2>/dev/null || echo unknown)
LDFLAGS = -s -w -X github.com/linewatch/linewatch/shared/version.commit=$(COMMIT)
UI = aggregator/web/ui
UI_SOURCES = $(shell find $(UI) -path '*/node_modules' -prune -o -type f -print 2>/dev/null)

.PHONY: build demo test lint bench bench-nab ui soak cross clean help

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make build    both programs and the verifier into bin/
build: ui
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./agent/cmd/linewatch-agent ./aggregator/cmd/linewatch-aggregator ./shared/cmd/linewatch-verify

## make ui       the web application, only when its sources changed
ui: .cache/ui.stamp
.cache/ui.stamp: $(UI_SOURCES)
	@.ci/setup ui
	@$(WITH) cd $(UI) && npm run --silent build
	@touch $@

## make demo     a simulated line, two agents and an aggregator (DEMO_FOR=45s ends by itself)
demo:
	@.ci/setup demo
	@$(MAKE) --no-print-directory build
	@$(WITH) go run ./packaging/demo/cmd/linewatch-demo --bin bin $(if $(DEMO_FOR),--for $(DEMO_FOR))

## make test     everything: lint, cross-builds, the web application, Go with real peers
test:
	@.ci/setup test
	@$(MAKE) --no-print-directory ui
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory cross
	@$(WITH) cd $(UI) && npm test --silent && npm run --silent e2e
	@$(WITH) .ci/gotest

## make lint     gofumpt, vet, staticcheck
lint:
	@bad=$$(go tool -modfile=.ci/tools.mod gofumpt -l agent aggregator shared packaging); \
	  if [ -n "$$bad" ]; then echo "not formatted (go tool -modfile=.ci/tools.mod gofumpt -w FILE):"; echo "$$bad"; exit 1; fi
	@go vet ./...
	@go tool -modfile=.ci/tools.mod staticcheck ./...

# Windows and ARM are built in every test run: a station PC may be either.
cross:
	GOOS=windows GOARCH=amd64 go build -o /dev/null ./agent/cmd/linewatch-agent
	GOOS=windows GOARCH=amd64 go build -o /dev/null ./aggregator/cmd/linewatch-aggregator
	GOOS=windows GOARCH=amd64 go build -o /dev/null ./shared/cmd/linewatch-verify
	GOOS=linux GOARCH=arm64 go build -o /dev/null ./agent/cmd/linewatch-agent
	GOOS=linux GOARCH=arm64 go build -o /dev/null ./aggregator/cmd/linewatch-aggregator
	GOOS=linux GOARCH=arm64 go build -o /dev/null ./shared/cmd/linewatch-verify

## make bench    the figures of docs/performance.md, beside their limits (10 minutes; wants an idle machine)
bench: build
	@.ci/setup test
	@$(WITH) set -o pipefail; export LINEWATCH_BIN=$(CURDIR)/bin; \
	  go test -run '^$$' -bench . -benchtime 1s -count 1 -p 1 -timeout 30m \
	    $$(git grep -l '^func Benchmark' -- '*_test.go' | xargs -n 1 dirname | sort -u | sed 's|^|./|') \
	  | go run ./packaging/bench/cmd/linewatch-bench -doc docs/performance.md

## make bench-nab  learnt novelty on the Numenta Anomaly Benchmark (NAB_DIR=its folder; NAB_EXPORT=folder for the scores)
bench-nab:
	@if [ -z "$(NAB_DIR)" ]; then echo "make bench-nab wants the benchmark: NAB_DIR=/path/to/NAB (github.com/numenta/NAB, its folders data and labels, and reference_scores)" >&2; exit 2; fi
	@go run ./packaging/nab/cmd/linewatch-nab -dir '$(NAB_DIR)' -doc docs/performance.md $(if $(NAB_EXPORT),-export '$(NAB_EXPORT)')

## make soak     the attacks and faults of docs/faults.md, long and again and again for an hour (SOAK_FOR=seconds)
soak:
	@.ci/setup test
	@$(MAKE) --no-print-directory ui
	@$(WITH) .ci/soak

clean:
	rm -rf bin .cache
