# Tule's two commands are `make demo` and `make test`. Each sets up what it needs
# on a fresh machine: Go, git and make are all that is assumed.

BOTOCORE := 1.43.11
CACHE    := $(CURDIR)/.cache
MODELS   := $(CACHE)/botocore-$(BOTOCORE)

export GOFLAGS := -trimpath
export CGO_ENABLED := 0

.PHONY: help demo test terraform clients build setup generate lint peers bench soak soak-lambda files clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build setup ## an HTTP API, a function and a table, end to end, with AWS's own CLI
	@examples/movies/demo

test: build setup ## all tests, the real clients' among them
	@setup/test

# The provider's services that are built; without one, all that the scenarios use.
PROVIDES :=

terraform: build ## Terraform and HashiCorp's provider against what Tule serves
	@setup/terraform $(PROVIDES)
	go -C test/terraform/provider test ./...
	go -C test test -count 1 -timeout 20m -v ./terraform

build: bin/tule ## bin/tule

.PHONY: bin/tule
bin/tule:
	@setup/build

setup: ## fetch what the tests and the demo use: clients, models, runtimes' libraries
	@setup/fetch

generate: setup ## write api/ and the schemas of resources anew from what is pinned
	go run ./api/gen -models $(MODELS)/botocore/data
	go generate ./svc/cloudformation/resource

lint: ## staticcheck and go vet, pinned
	go vet ./...
	go tool staticcheck ./...

bench: build setup ## floors, peers and Tule in one run, as ratios
	@bench/run

peers: build setup ## the peers that functions and queues are measured against, then the bench beside them
	@setup/function-peers
	@setup/peers
	TULE_STORE=$(CACHE)/minio/minio go -C test test -count 1 ./objects
	go -C test build -o ../bin/rabbit ./rabbit
	@bench/run -only peers,queue,kinesis,minio

files: build setup ## 10,000 files with odd names to S3 and back, by AWS's CLI, s3cmd and rclone: minutes
	@setup/files
	TULE_FILES=10000 .cache/venv/bin/python -m pytest -q test/python/test_objects.py

clean: ## forget what was built and fetched
	rm -rf bin $(CACHE)

clients: build setup ## AWS's own runtime interface clients, SAM, Serverless, clients of queues and the Kinesis Client Library on Tule: minutes
	@setup/clients
	go -C test test -timeout 30m -v ./provided ./frameworks ./messages ./kinesis

soak: build setup ## 200 kills of the real binary and of the store, minutes long
	TULE_STORE_KILLS=200 go test -timeout 30m -run Kill -v ./store
	TULE_KILLS=200 go -C test test -timeout 60m -run Kill -v ./...

soak-lambda: build setup ## 200,000 invokes of 50 functions that fail in all ways, then a count of what is left
	TULE_SOAK=200000 go -C test test -timeout 180m -count 1 -v ./soak
