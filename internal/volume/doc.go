// Package volume reads volumes as raw blocks and writes them back. It knows
// Linux block devices and files, and nothing of Kubernetes or of how blocks are
// stored.
//
//	Used (ext4, xfs) ─┐
//	allocated, changed ─ MakePlan ── Plan ── Pump ── Sink (the repository)
//	base stream ──────┘
//
//	blocks of a stream ── Fill ── Target (an empty device)
//
// A plan says of each block whether it is read, taken over from the base, or a
// hole, and why. Whatever is not known for certain is read: a block that is
// read needlessly costs time, a block that is left out wrongly costs data.
package volume
