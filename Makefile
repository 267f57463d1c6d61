# Two commands matter to a new user: make demo and make test.
# Everything they need is installed by the scripts they call.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# One way to compile for everything but the race detector, so that the build
# cache serves builds, vet, linters and tests alike.
export CGO_ENABLED = 0
export GOFLAGS = -buildvcs=false -trimpath
LDFLAGS = -s -w -X main.version=$(VERSION)
LINT = go tool -modfile=tools/lint/go.mod golangci-lint

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: demo demo-down
demo: build images ## protect an application, destroy it, bring it back, prove it
	go run ./test/demo
demo-down: ## remove everything the demo left running
	@test -x bin/devcluster || $(MAKE) --no-print-directory bin/devcluster
	go run ./test/demo -down

.PHONY: test unit race e2e devcluster-test
test: static ## everything that must hold: what .ci/run runs
	@# The race tests compute, the scenarios mostly wait: side by side.
	$(MAKE) --no-print-directory --jobs=2 race e2e
	$(MAKE) --no-print-directory devcluster-test
unit: prerequisites ## unit tests, quickly
	go test ./...
race: prerequisites
	CGO_ENABLED=1 go test -race -timeout 40m ./... # beside the scenarios a package may take long
devcluster-test: prerequisites # after e2e, whose cluster installs the packages its driver needs
	cd test/devcluster && go test ./...
e2e: build images ## scenarios on a real cluster
	scripts/e2e.sh

.PHONY: verify static format lint vet generate generated
verify: static race ## format, vet, lint with import walls, generated files, race tests
static: format vet lint generated
format:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not formatted: $$out"; exit 1; }
vet:
	go vet -tags e2e ./...
lint:
	$(LINT) run ./...
generate: ## write generated files anew
	tools/generate.sh
generated: generate
	@git diff --exit-code --stat -- api deploy test/devcluster/sidecar/schema || { echo "generated files are not up to date: commit what 'make generate' wrote"; exit 1; }

.PHONY: bench bench-fleet
bench: prerequisites ## benchmarks, as ratios to restic, borg and the machine's own limits (docs/performance.md); needs root
	go run ./test/bench
bench-fleet: prerequisites ## 5,000 backups due at once, the service killed five times, on both databases (an hour and a half)
	go run ./test/fleet

.PHONY: build images prerequisites
build: prerequisites bin/devcluster ## the three programs, into bin/
	go build -ldflags "$(LDFLAGS)" -o bin/ ./cmd/...
bin/devcluster: $(shell find test/devcluster -name '*.go' -o -name 'go.mod' 2>/dev/null)
	cd test/devcluster && go build -o ../../bin/devcluster ./cmd/devcluster
images: build ## images for the cluster, without a registry
	scripts/images.sh
prerequisites:
	@scripts/prerequisites.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
