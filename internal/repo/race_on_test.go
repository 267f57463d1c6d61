//go:build race

package repo_test

// usualSeeds of the random interleavings: the race detector makes each ten
// times as slow.
const usualSeeds = 40
