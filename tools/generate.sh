#!/bin/sh
# Writes what is generated from api/: copying functions beside the types, and
# custom resource definitions into the charts that install them.
set -eu
cd "$(dirname "$0")/.."
crds=$(mktemp -d)
trap 'rm -rf "$crds"' EXIT
go tool -modfile=tools/go.mod controller-gen object crd paths=./api/... output:crd:dir="$crds"
mkdir -p deploy/charts/holdfast/crds deploy/charts/holdfast-connector/crds
mv "$crds"/holdfast.dev_extensions.yaml deploy/charts/holdfast-connector/crds/
mv "$crds"/holdfast.dev_*.yaml deploy/charts/holdfast/crds/
# The SnapshotMetadata service, for the client here and for the service that the
# development cluster brings along.
for place in api/snapshotmetadata test/devcluster/sidecar/schema; do
  go run -C tools/proto . -schema ../../api/snapshotmetadata/schema.proto -out "../../$place" -package "holdfast.dev/holdfast/$place"
done
