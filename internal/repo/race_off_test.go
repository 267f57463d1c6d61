//go:build !race

package repo_test

// usualSeeds of the random interleavings.
const usualSeeds = 500
