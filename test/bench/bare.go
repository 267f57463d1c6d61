package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

// What a limit consists of: the steps that no writer of such a repository can
// leave out, each as the library does it, on all cores, without anything else.
type steps struct {
	hash     bool // HMAC-SHA-256 over the content
	compress bool // zstd at its fastest level, and back when it got smaller
	seal     bool // AES-256-GCM
	store    bool // files of packSize, each synced
	frame    int  // bytes that are compressed and sealed at once
}

// Sizes of the repository: what an archive's and a volume's frame hold, and a pack.
const (
	archiveFrame = 1 << 20
	volumeFrame  = 4 << 20
	packSize     = 16 << 20
)

var (
	hmacOnly = steps{hash: true, frame: archiveFrame}
	zstdOnly = steps{compress: true, frame: archiveFrame}
	sealOnly = steps{seal: true, frame: archiveFrame}
	fileOnly = steps{store: true, frame: archiveFrame}
)

func every(frame int) steps { return steps{true, true, true, true, frame} }

// limitOf measures steps over the bytes of the objects.
func limitOf(s steps) measurement {
	return func(_ context.Context, p place) (float64, error) { return s.measure(p.Dir, p.objects()) }
}

func bareArchive(_ context.Context, p place) (float64, error) {
	return every(archiveFrame).measure(p.Dir, p.objects())
}

func hmacArchive(_ context.Context, p place) (float64, error) {
	return hmacOnly.measure(p.Dir, p.objects())
}

func bareVolume(_ context.Context, p place) (float64, error) {
	return every(volumeFrame).measure(p.Dir, p.volume())
}

func (s steps) measure(dir, file string) (float64, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	stored, err := s.write(dir, data)
	result := megabytes(int64(len(data)), start)
	return result, errors.Join(err, stored.remove())
}

// bareRead reads back what the bare steps have written.
func bareRead(_ context.Context, p place) (float64, error) {
	data, err := os.ReadFile(p.objects())
	if err != nil {
		return 0, err
	}
	stored, err := every(archiveFrame).write(p.Dir, data)
	if err != nil {
		return 0, errors.Join(err, stored.remove())
	}
	start := time.Now()
	err = stored.read()
	result := megabytes(int64(len(data)), start)
	return result, errors.Join(err, stored.remove())
}

// stored are the files that bare workers wrote.
type stored []*bare

func (s stored) remove() error {
	var all error
	for _, b := range s {
		for _, name := range b.files {
			all = errors.Join(all, os.Remove(name))
		}
	}
	return all
}

// write does the steps, each worker taking the next frame. There are more
// workers than cores, so that some compute while others wait for the disk.
func (s steps) write(dir string, data []byte) (stored, error) {
	var next atomic.Int64
	var workers errgroup.Group
	var all stored
	for range 2 * runtime.GOMAXPROCS(0) {
		b, err := newBare(s, dir)
		if err != nil {
			return all, err
		}
		all = append(all, b)
		workers.Go(func() error {
			for {
				at := int(next.Add(int64(s.frame))) - s.frame
				if at >= len(data) {
					return b.flush()
				}
				if err := b.do(data[at:min(at+s.frame, len(data))]); err != nil {
					return err
				}
			}
		})
	}
	return all, workers.Wait()
}

// read does the steps backwards.
func (s stored) read() error {
	var workers errgroup.Group
	for _, b := range s {
		workers.Go(b.read)
	}
	return workers.Wait()
}

// bare is one worker.
type bare struct {
	steps
	dir   string
	mac   hash.Hash
	enc   *zstd.Encoder
	dec   *zstd.Decoder
	aead  cipher.AEAD
	pack  []byte
	plain []byte
	check []byte
	files []string
	sizes [][]int // of the frames in each file
	sums  []byte
}

func newBare(s steps, dir string) (*bare, error) {
	b := &bare{steps: s, dir: dir, mac: hmac.New(sha256.New, make([]byte, 32)), sizes: [][]int{nil}}
	if s.seal || s.store {
		b.pack = make([]byte, 0, packSize+s.frame+1<<10)
	}
	block, err := aes.NewCipher(make([]byte, 32))
	if err == nil {
		b.aead, err = cipher.NewGCM(block)
	}
	if err == nil {
		b.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	}
	if err == nil {
		b.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	}
	return b, err
}

var errCheck = errors.New("what was written does not come back")

func (b *bare) do(content []byte) error {
	if b.hash {
		b.mac.Reset()
		b.mac.Write(content)
		b.sums = b.mac.Sum(b.sums[:0])
	}
	if b.compress {
		small, err := b.shrink(content)
		if err != nil {
			return err
		}
		content = small
	}
	size := len(content)
	switch {
	case b.seal:
		b.pack = b.aead.Seal(b.pack, nonce(len(b.pack)), content, nil)
		size += b.aead.Overhead()
	case b.store:
		b.pack = append(b.pack, content...)
	}
	b.sizes[len(b.sizes)-1] = append(b.sizes[len(b.sizes)-1], size)
	if len(b.pack) >= packSize {
		return b.flush()
	}
	return nil
}

// shrink compresses, unless that makes nothing smaller.
func (b *bare) shrink(content []byte) ([]byte, error) {
	b.plain = b.enc.EncodeAll(content, b.plain[:0])
	if len(b.plain) >= len(content) {
		return content, nil
	}
	var err error
	b.check, err = b.dec.DecodeAll(b.plain, b.check[:0])
	if err != nil || !bytes.Equal(b.check, content) {
		return nil, errCheck
	}
	return b.plain, nil
}

func nonce(offset int) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 4, 12), uint64(offset))
}

// flush writes a file, when there is to be one.
func (b *bare) flush() error {
	defer func() { b.pack = b.pack[:0] }()
	if !b.store || len(b.pack) == 0 {
		return nil
	}
	file, err := os.CreateTemp(b.dir, "bare-")
	if err != nil {
		return err
	}
	b.files, b.sizes = append(b.files, file.Name()), append(b.sizes, nil)
	_, err = file.Write(b.pack)
	return errors.Join(err, file.Sync(), file.Close())
}

// read opens, expands and hashes every frame. Objects always get smaller, so
// every frame is a compressed one.
func (b *bare) read() error {
	for i, name := range b.files {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		at := 0
		for _, size := range b.sizes[i] {
			if err := b.undo(file, at, size); err != nil {
				return errors.Join(err, file.Close())
			}
			at += size
		}
		file.Close()
	}
	return nil
}

func (b *bare) undo(file *os.File, at, size int) error {
	sealed := append(b.pack[:0], make([]byte, size)...)
	if _, err := file.ReadAt(sealed, int64(at)); err != nil {
		return err
	}
	plain, err := b.aead.Open(sealed[:0], nonce(at), sealed, nil)
	if err == nil {
		b.check, err = b.dec.DecodeAll(plain, b.check[:0])
	}
	if err != nil {
		return errors.Join(errCheck, err)
	}
	b.mac.Reset()
	b.mac.Write(b.check)
	b.sums = b.mac.Sum(b.sums[:0])
	return nil
}
