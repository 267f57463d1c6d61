package repo_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/repo"
)

// gcFolder tells a process that was started by BenchmarkCollectGarbage where
// the repository is that it is to work in.
const gcFolder = "HOLDFAST_GC_FOLDER"

func openFolder(tb testing.TB, dir string) objstore.Store {
	tb.Helper()
	store, err := location.Open(tb.Context(), location.Location{URL: "file://" + dir})
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

// BenchmarkCollectGarbage makes a repository of two million blocks in two
// recovery points, each with a half of its own, deletes one of them, and collects
// garbage in a process of its own, whose memory is measured.
func BenchmarkCollectGarbage(b *testing.B) {
	const blocks, size = 1 << 20, 4 << 10
	if dir := os.Getenv(gcFolder); dir != "" {
		collectHere(b, dir)
		return
	}
	for range b.N {
		dir := b.TempDir()
		r := open(b, openFolder(b, dir))
		for n := range 2 {
			w, err := r.NewWriter(b.Context(), repo.WriterOptions{RecoveryPoint: point(n)})
			if err != nil {
				b.Fatal(err)
			}
			v, err := w.Volume("v", repo.VolumeShape{Length: blocks * size, BlockSize: size})
			block := make([]byte, size)
			for i := int64(0); i < blocks && err == nil; i++ {
				at := uint64(i)
				if i%1024 < 1000 { // a few blocks of each frame are shared
					at |= uint64(n+1) << 40
				}
				binary.BigEndian.PutUint64(block[100:], at+1)
				err = v.Write(i, block)
			}
			if err != nil {
				b.Fatal(err)
			}
			ref, err := v.Close()
			if err == nil {
				err = w.Commit(b.Context(), repo.Manifest{Streams: []repo.StreamRef{ref}})
			}
			if err != nil {
				b.Fatal(err)
			}
			w.Close()
		}
		if err := r.DeleteManifest(b.Context(), point(0)); err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		command := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkCollectGarbage$", "-test.benchtime=1x")
		command.Env = append(os.Environ(), gcFolder+"="+dir)
		out, err := command.CombinedOutput()
		b.StopTimer()
		if err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		for _, field := range bytes.Fields(out) {
			if mb, found := strings.CutPrefix(string(field), "peak="); found {
				n, err := strconv.ParseFloat(mb, 64)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(n, "peak-MB")
			}
		}
		b.Logf("%s", out)
	}
}

func collectHere(b *testing.B, dir string) {
	if b.N > 1 {
		return
	}
	result, err := open(b, openFolder(b, dir)).CollectGarbage(b.Context(), repo.GCOptions{})
	if err != nil {
		b.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kb int
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("peak=%.1f deleted=%d freed=%d carried=%d\n%s", float64(kb)/1024, result.Deleted, result.Freed, result.Carried, result.Plan)
}
