package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// place is where and on how much a measurement works.
type place struct {
	Dir     string
	Server  string // URL of the API server
	Objects int    // in the archive, about 2 KB each
	Entries int    // of the archive to plan with
	Points  int    // recovery points of one instance
	Volume  int64  // bytes
	Round   int
}

var fullSize = place{Objects: 50_000, Entries: 100_000, Points: 100_000, Volume: 256 << 20}

func (p place) objects() string    { return filepath.Join(p.Dir, "objects") }
func (p place) volume() string     { return filepath.Join(p.Dir, "volume") }
func (p place) repository() string { return filepath.Join(p.Dir, "repository-"+strconv.Itoa(p.Round)) }

// prepare writes the data that measurements read.
func (p place) prepare() error {
	return errors.Join(
		toFile(p.objects(), func(w *bufio.Writer) error { return writeRecords(w, p.Objects) }),
		toFile(p.volume(), func(w *bufio.Writer) error { return writeImage(w, p.Volume) }),
	)
}

func toFile(name string, write func(*bufio.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	return errors.Join(write(w), w.Flush(), file.Close())
}

// record is an object and its key in an archive.
type record struct {
	key   string
	value []byte
}

func writeRecords(w *bufio.Writer, count int) error {
	for r := range generate(count) {
		head := binary.BigEndian.AppendUint32(nil, uint32(len(r.key)))
		head = binary.BigEndian.AppendUint32(head, uint32(len(r.value)))
		_, err := w.Write(append(append(head, r.key...), r.value...))
		if err != nil {
			return err
		}
	}
	return nil
}

// records yields the prepared objects; a value holds until the next.
func (p place) records() iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		file, err := os.Open(p.objects())
		if err != nil {
			yield(record{}, err)
			return
		}
		defer file.Close()
		r := bufio.NewReaderSize(file, 1<<20)
		var buffer []byte
		for {
			var head [8]byte
			if _, err = io.ReadFull(r, head[:]); errors.Is(err, io.EOF) {
				return
			}
			key, value := int(binary.BigEndian.Uint32(head[:])), int(binary.BigEndian.Uint32(head[4:]))
			buffer = append(buffer[:0], make([]byte, key+value)...)
			if err == nil {
				_, err = io.ReadFull(r, buffer)
			}
			if !yield(record{string(buffer[:key]), buffer[key:]}, err) || err != nil {
				return
			}
		}
	}
}

// rate is how many of something per second went by since start.
func rate(count int64, start time.Time) float64 { return float64(count) / time.Since(start).Seconds() }

// megabytes is rate in 10^6 bytes per second.
func megabytes(bytes int64, start time.Time) float64 { return rate(bytes, start) / 1e6 }
