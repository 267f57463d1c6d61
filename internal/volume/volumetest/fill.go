package volumetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Fill writes files of many sizes below dir, and deletes some, so that used
// and free space are mixed.
func Fill(t testing.TB, dir string, seed uint64, files int) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	for i := range files {
		if err := write(random, filepath.Join(dir, fmt.Sprintf("d%d", i%7), fmt.Sprintf("f%d-%d", seed, i)), false); err != nil {
			t.Fatal(err)
		}
		if i%5 == 4 {
			if err := os.Remove(filepath.Join(dir, fmt.Sprintf("d%d", (i-2)%7), fmt.Sprintf("f%d-%d", seed, i-2))); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func write(random *rand.Rand, path string, sync bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	content := make([]byte, 1+random.IntN(1<<random.IntN(19)))
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil || !sync {
		return err
	}
	return f.Sync()
}

// Busy creates, syncs and removes files below dir until the returned func is
// called, which waits for it to end. It holds a file open that was removed.
func Busy(t testing.TB, dir string) (stop func()) {
	t.Helper()
	gone, err := os.Create(filepath.Join(dir, "gone"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	os.Remove(gone.Name())
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			if err := write(random, filepath.Join(dir, fmt.Sprintf("busy%d", i%3), fmt.Sprint(i)), i%4 == 0); err != nil {
				t.Errorf("write while it is copied: %v", err)
				return
			}
			if i >= 20 {
				os.Remove(filepath.Join(dir, fmt.Sprintf("busy%d", (i-20)%3), fmt.Sprint(i-20)))
			}
		}
	})
	return sync.OnceFunc(func() { close(done); group.Wait(); gone.Close() })
}
