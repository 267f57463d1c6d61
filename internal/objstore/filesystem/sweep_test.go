package filesystem_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"holdfast.dev/holdfast/internal/objstore/filesystem"
)

// Whoever opens a store sweeps it; writers of other processes must not notice.
func TestWritersDoNotMindThoseWhoOpen(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				other, err := filesystem.Open(dir)
				if err != nil {
					t.Error(err)
					return
				}
				other.Close()
			}
		})
	}
	for i := range 200 {
		if err := store.Put(t.Context(), fmt.Sprintf("objects/%d", i), strings.NewReader("x"), 1); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	group.Wait()
}
