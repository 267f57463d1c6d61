#!/usr/bin/env bash
# Runs everything that needs a real cluster: the parts on a cluster of theirs
# and, beside them, the scenarios, which bring up a whole system. Both mostly
# wait. What the parts say is printed when they are over.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/bin:$PATH
log=$(mktemp)

parts() (
	export HOLDFAST_CLUSTER=parts
	trap 'devcluster down --name parts' EXIT
	devcluster up --name parts
	devcluster load-image bin/holdfast-agent.tar --name parts
	KUBECONFIG=$(devcluster kubeconfig --name parts)
	HOST_ADDRESS=$(devcluster host-address --name parts)
	export KUBECONFIG HOST_ADDRESS
	# The last one takes the definitions out again.
	go test -count=1 -p 1 -parallel 6 -tags e2e -timeout 20m ./test/e2e/controller ./test/e2e/restore ./test/e2e/changed ./internal/connect
)

# The packages that the clusters need are installed by the first, not by both.
devcluster up --name parts
parts >"$log" 2>&1 &
ok=true
go test -count=1 -tags e2e -timeout 60m ./test/e2e || ok=false
wait $! || ok=false
cat "$log"
rm "$log"
$ok
