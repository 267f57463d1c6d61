package repo_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
)

const salvageBlock = 4 << 10

// pointWithVolume makes a recovery point of an archive and a volume whose every
// third block is a hole, in several packs.
func pointWithVolume(t *testing.T, store *objstoretest.Memory) (content []repo.Record, volume []byte) {
	t.Helper()
	r := open(t, store)
	w, err := r.NewWriter(t.Context(), repo.WriterOptions{RecoveryPoint: point(1), PackSize: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	content = records(400, 3000)
	a, err := w.Archive("objects")
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range content {
		if err := a.Add(record.Key, record.Value); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := a.Close()
	if err != nil {
		t.Fatal(err)
	}
	volume = make([]byte, 600*salvageBlock-100)
	random := rand.NewChaCha8([32]byte{1})
	v, err := w.Volume("volumes/n/c", repo.VolumeShape{Length: int64(len(volume)), BlockSize: salvageBlock})
	if err != nil {
		t.Fatal(err)
	}
	for block := 0; block*salvageBlock < len(volume); block++ {
		part := volume[block*salvageBlock : min(len(volume), (block+1)*salvageBlock)]
		if block%3 == 0 {
			continue
		}
		_, _ = random.Read(part) // documented never to fail
		if err := v.Write(int64(block), part); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := v.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context(), repo.Manifest{ID: point(1), Streams: []repo.StreamRef{objects, stream}}); err != nil {
		t.Fatal(err)
	}
	return content, volume
}

// salvage reads all that can be read of the recovery point.
func salvage(t *testing.T, store *objstoretest.Memory) (content []repo.Record, lostRecords int64, volume []byte, lostBlocks int64) {
	t.Helper()
	r, err := repo.Open(t.Context(), store, testKey)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	m, err := r.Manifest(t.Context(), point(1))
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Salvage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, _ := s.Archive(t.Context(), m.Streams[0])
	err = a.Salvage(t.Context(), func(one repo.Record) error {
		content = append(content, repo.Record{Key: one.Key, Value: bytes.Clone(one.Value)})
		return nil
	}, func(l repo.LostRecords) error {
		if !errors.Is(l.Err, repo.ErrDamaged) || l.Last != "" && l.Last <= l.After {
			t.Errorf("lost: %+v", l)
		}
		lostRecords += l.Records
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Volume(t.Context(), m.Streams[1])
	if err != nil {
		t.Fatal(err)
	}
	volume = make([]byte, v.Shape().Length)
	err = v.Salvage(t.Context(), func(b repo.VolumeBlock) error {
		copy(volume[b.Offset:], b.Data)
		return nil
	}, func(l repo.BlockRange, err error) error {
		if !errors.Is(err, repo.ErrDamaged) || l.To <= l.From {
			t.Errorf("lost: %v %v", l, err)
		}
		lostBlocks += l.To - l.From
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for block := range v.Shape().Length / salvageBlock {
		data, err := v.Block(t.Context(), block)
		if err == nil && data != nil && !bytes.Equal(data, volume[block*salvageBlock:][:len(data)]) {
			t.Fatalf("block %d read alone is another", block)
		}
	}
	return content, lostRecords, volume, lostBlocks
}

func TestSalvageReadsAllOfWhatIsWhole(t *testing.T) {
	store := &objstoretest.Memory{}
	content, volume := pointWithVolume(t, store)
	for _, index := range store.Names("indexes/") {
		if err := store.Delete(t.Context(), index); err != nil {
			t.Fatal(err)
		}
	}
	got, lostRecords, image, lostBlocks := salvage(t, store)
	if len(got) != len(content) || lostRecords != 0 || !bytes.Equal(image, volume) || lostBlocks != 0 {
		t.Fatalf("without an index: %d of %d records, %d lost; volume equal %v, %d blocks lost",
			len(got), len(content), lostRecords, bytes.Equal(image, volume), lostBlocks)
	}
	if _, err := repo.Open(t.Context(), store, testKey); err != nil {
		t.Fatal(err)
	}
}

func TestSalvageNamesWhatIsLost(t *testing.T) {
	whole := &objstoretest.Memory{}
	content, volume := pointWithVolume(t, whole)
	anyRecord, anyBlock := false, false
	for _, name := range whole.Names("packs/") {
		for at, damage := range map[string]func([]byte) []byte{
			"flipped": func(p []byte) []byte { p[len(p)/2] ^= 1; return p },
			"empty":   func([]byte) []byte { return nil },
		} {
			t.Run(fmt.Sprintf("%s %s", name, at), func(t *testing.T) {
				store := whole.Clone()
				store.Overwrite(name, damage(bytes.Clone(store.Bytes(name))))
				got, lostRecords, image, lostBlocks := salvage(t, store)
				if int64(len(got))+lostRecords != int64(len(content)) {
					t.Errorf("%d records and %d lost are not %d", len(got), lostRecords, len(content))
				}
				wrong := int64(0)
				for from := 0; from < len(volume); from += salvageBlock {
					to := min(len(volume), from+salvageBlock)
					if !bytes.Equal(image[from:to], volume[from:to]) {
						wrong++
					}
				}
				if wrong > lostBlocks {
					t.Errorf("%d blocks are wrong, and only %d said to be lost", wrong, lostBlocks)
				}
				if lostRecords+lostBlocks == 0 {
					t.Error("nothing is said to be lost")
				}
				anyRecord, anyBlock = anyRecord || lostRecords > 0, anyBlock || lostBlocks > 0
			})
		}
	}
	if !anyRecord || !anyBlock {
		t.Error("the test did not reach both kinds of streams")
	}
}
