package volumetest

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/volume/extent"
)

// Prover shows that what a file system calls used is all it needs.
type Prover struct {
	Used  func(ctx context.Context, r io.ReaderAt, size int64, into *extent.Builder) error
	Check []string // program that fails when an image is damaged
	Mount []string // options
}

// Map reads which bytes of an image are used.
func (p Prover) Map(t testing.TB, image string) (extent.Set, error) {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := extent.NewBuilder(1, 1<<20)
	err = p.Used(context.Background(), f, info.Size(), b)
	return b.Set(), err
}

// Prove copies only the used bytes of an image and compares what a mount of
// it shows with a mount of a full copy. state is for messages.
func (p Prover) Prove(t testing.TB, pool, image, state string) extent.Set {
	t.Helper()
	used, err := p.Map(t, image)
	if err != nil {
		t.Fatalf("%s: %v", state, err)
	}
	full, part := filepath.Join(pool, "full"), filepath.Join(pool, "part")
	Clone(t, image, full)
	copyRanges(t, image, part, used)
	if diff := cmp.Diff(p.recovered(t, full), p.recovered(t, part)); diff != "" {
		t.Fatalf("%s: the copy differs:\n%s", state, diff)
	}
	after, err := p.Map(t, full)
	if err != nil {
		t.Fatalf("%s: after recovery: %v", state, err)
	}
	if lost := after.Subtract(used); len(lost) > 0 {
		t.Fatalf("%s: in use after recovery and not before: %v", state, lost)
	}
	return used
}

// recovered mounts an image, which follows its journal, and returns the sums
// of its files; then it must be without fault.
func (p Prover) recovered(t testing.TB, image string) map[string]string {
	t.Helper()
	dir := Mount(t, image, p.Mount...)
	sums := Sums(t, dir)
	Unmount(t, dir)
	Run(t, p.Check[0], append(p.Check[1:], image)...)
	return sums
}

// copyRanges makes a file that holds the given ranges of image and nothing else.
func copyRanges(t testing.TB, image, to string, ranges extent.Set) {
	t.Helper()
	in, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	Image(t, to, info.Size())
	out, err := os.OpenFile(to, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for _, r := range ranges {
		if _, err := io.Copy(io.NewOffsetWriter(out, r.Offset), io.NewSectionReader(in, r.Offset, r.Length)); err != nil {
			t.Fatal(err)
		}
	}
}
