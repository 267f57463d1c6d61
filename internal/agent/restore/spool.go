package restore

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// spool keeps objects on disk between reading the archive and applying them,
// so that memory does not grow with the recovery point. It holds Secrets, so
// each object is sealed under a key that never leaves memory, and the file has
// no name: when the process ends, however it ends, nothing can be read.
type spool struct {
	file   *os.File
	writer *bufio.Writer
	seal   cipher.AEAD
	end    int64
}

// place is where an object lies in the spool; the zero place is nowhere.
type place struct {
	offset int64
	length int32
}

func newSpool(dir string) (*spool, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make a key for the spool: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the spool's cipher: %w", err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make the spool's cipher: %w", err)
	}
	file, err := os.CreateTemp(dir, "restore-*")
	if err != nil {
		return nil, fmt.Errorf("make the spool: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("unname the spool: %w", err), file.Close())
	}
	return &spool{file: file, writer: bufio.NewWriterSize(file, 1<<18), seal: seal}, nil
}

// nonce is the object's offset: used once in the life of the key.
func (s *spool) nonce(offset int64) []byte {
	nonce := make([]byte, s.seal.NonceSize())
	binary.BigEndian.PutUint64(nonce, uint64(offset))
	return nonce
}

func (s *spool) put(plain []byte) (place, error) {
	at := place{offset: s.end, length: int32(len(plain) + s.seal.Overhead())}
	if _, err := s.writer.Write(s.seal.Seal(nil, s.nonce(at.offset), plain, nil)); err != nil {
		return place{}, fmt.Errorf("write to the spool: %w", err)
	}
	s.end += int64(at.length)
	return at, nil
}

// get may be called from many goroutines once put is called no more and flush
// was called.
func (s *spool) get(at place) ([]byte, error) {
	sealed := make([]byte, at.length)
	if _, err := s.file.ReadAt(sealed, at.offset); err != nil {
		return nil, fmt.Errorf("read from the spool: %w", err)
	}
	plain, err := s.seal.Open(sealed[:0], s.nonce(at.offset), sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("the spool was changed: %w", err)
	}
	return plain, nil
}

func (s *spool) flush() error {
	if err := s.writer.Flush(); err != nil {
		return fmt.Errorf("write to the spool: %w", err)
	}
	return nil
}

func (s *spool) close() { _ = s.file.Close() }
