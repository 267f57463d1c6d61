package catalogtest_test

import (
	"testing"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
)

func TestMemory(t *testing.T) {
	catalogtest.Run(t, func(*testing.T) catalog.Store { return catalogtest.NewMemory() })
	catalogtest.RunJobs(t, func(*testing.T) (catalog.Store, func() []catalog.Job) {
		store := catalogtest.NewMemory()
		return store, store.Jobs
	})
}
