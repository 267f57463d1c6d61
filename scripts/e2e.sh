#!/usr/bin/env bash
# Runs everything that needs a real cluster: first the parts on a cluster of
# theirs, then the scenarios, which bring up a whole system.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/bin:$PATH HOLDFAST_CLUSTER=parts
trap 'devcluster down --name parts' EXIT
devcluster up --name parts
devcluster load-image bin/holdfast-agent.tar --name parts
KUBECONFIG=$(devcluster kubeconfig --name parts)
HOST_ADDRESS=$(devcluster host-address --name parts)
export KUBECONFIG HOST_ADDRESS
# The last one takes the definitions out again.
go test -count=1 -p 1 -tags e2e -timeout 20m ./test/e2e/controller ./test/e2e/restore ./internal/connect
devcluster down --name parts
trap - EXIT
unset KUBECONFIG
go test -count=1 -tags e2e -timeout 40m ./test/e2e
