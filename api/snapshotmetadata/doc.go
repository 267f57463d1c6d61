// Package snapshotmetadata is the Kubernetes SnapshotMetadata service of
// KEP-3314, as gRPC code that `make generate` writes from schema.proto.
package snapshotmetadata
