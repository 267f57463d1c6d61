#!/bin/sh
# Builds the static holdfast-agent binary and its image, without docker.
#   deploy/image/build.sh [archive]      prints the path of the docker archive
# VERSION (default: the chart's) and ARCHITECTURE (default: this machine's) may be set.
set -eu
cd "$(dirname "$0")/../.."
version=${VERSION:-$(sed -n 's/^appVersion: *//p' deploy/charts/holdfast/Chart.yaml)}
architecture=${ARCHITECTURE:-$(go env GOARCH)}
out=${1:-bin/holdfast-agent-$version-$architecture.tar}
mkdir -p "$(dirname "$out")"
binary=$(dirname "$out")/holdfast-agent-$architecture
CGO_ENABLED=0 GOOS=linux GOARCH=$architecture go build -trimpath \
	-ldflags "-s -w -X main.version=$version" -o "$binary" ./cmd/holdfast-agent
go run ./deploy/image -binary "$binary" -architecture "$architecture" -tag "localhost/holdfast-agent:$version" -out "$out"
echo "$out"
