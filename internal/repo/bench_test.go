package repo_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/filesystem"
	"holdfast.dev/holdfast/internal/repo"
)

func folder(b *testing.B) objstore.Store {
	b.Helper()
	s, err := filesystem.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkArchive backs up 50,000 objects of about 2 kB; the second round of
// each finds everything stored.
func BenchmarkArchive(b *testing.B) {
	content := records(50_000, 2000)
	var size int64
	for _, r := range content {
		size += int64(len(r.Value))
	}
	for _, name := range []string{"first", "unchanged"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				b.StopTimer()
				store := folder(b)
				r := open(b, store)
				if name == "unchanged" {
					if _, err := backup(b.Context(), r, point(1), content); err != nil {
						b.Fatal(err)
					}
				}
				b.StartTimer()
				if _, err := backup(b.Context(), r, point(2), content); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVolume writes 256 MiB, half of it text and half noise.
func BenchmarkVolume(b *testing.B) {
	image := make([]byte, 256<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 4000)
	for i := range words {
		words[i] = fmt.Sprintf("%x ", rng.Uint32()>>(rng.IntN(3)*8))
	}
	for at := 0; at < len(image); {
		if at>>20&1 == 0 {
			at += copy(image[at:], words[rng.IntN(len(words))])
		} else {
			image[at] = byte(rng.Uint32())
			at++
		}
	}
	for _, size := range []int{64 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("blocks of %d KiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(image)))
			for b.Loop() {
				w, err := open(b, folder(b)).NewWriter(b.Context(), repo.WriterOptions{RecoveryPoint: point(1)})
				if err != nil {
					b.Fatal(err)
				}
				v, err := w.Volume("v", repo.VolumeShape{Length: int64(len(image)), BlockSize: int64(size)})
				if err != nil {
					b.Fatal(err)
				}
				for at := 0; at < len(image); at += size {
					if err := v.Write(int64(at/size), image[at:at+size]); err != nil {
						b.Fatal(err)
					}
				}
				commitVolume(b, w, v)
				b.ReportMetric(float64(w.Stats().BytesStored)/float64(len(image)), "stored/byte")
				w.Close()
			}
		})
	}
}
