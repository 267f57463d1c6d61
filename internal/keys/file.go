package keys

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// wrappedVersion is the first byte of what FileProvider wraps: AES-256-GCM with
// a random nonce in front, the name as additional data.
const wrappedVersion = 1

// FileProvider wraps with a key-encrypting key in a file. Whoever has the file
// and a bucket can read the bucket: keep a copy of it, apart from the data.
type FileProvider struct {
	aead        cipher.AEAD
	fingerprint string
}

// OpenFile reads the key-encrypting key at path, and makes one, readable by
// its owner only, where there is no file.
func OpenFile(path string) (*FileProvider, error) {
	kek, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		kek, err = makeFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if len(kek) != Size {
		return nil, fmt.Errorf("key file %s has %d bytes, not %d", path, len(kek), Size)
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	mac := hmac.New(sha256.New, kek)
	mac.Write([]byte("holdfast key file"))
	return &FileProvider{aead, hex.EncodeToString(mac.Sum(nil)[:8])}, nil
}

// Describe tells files apart by a fingerprint of their key.
func (p *FileProvider) Describe() Description { return Description{"file", p.fingerprint} }

// makeFile writes the key whole or not at all, and never over another: a key
// that was used once must not be lost.
func makeFile(path string) ([]byte, error) {
	kek := make([]byte, Size)
	rand.Read(kek)                                                            // documented never to fail
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // made with mode 0600
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	_, err = draft.Write(kek)
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(draft.Name(), path); err != nil {
		return nil, err
	}
	return kek, syncFolder(filepath.Dir(path))
}

// syncFolder makes a new name in the folder survive a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Wrap seals a key.
func (p *FileProvider) Wrap(_ context.Context, name string, key []byte) ([]byte, error) {
	return p.aead.Seal([]byte{wrappedVersion}, nil, key, []byte(name)), nil
}

// Unwrap opens what Wrap sealed under the same name.
func (p *FileProvider) Unwrap(_ context.Context, name string, wrapped []byte) ([]byte, error) {
	if len(wrapped) == 0 || wrapped[0] != wrappedVersion {
		return nil, fmt.Errorf("%w: it was not wrapped by a key file", ErrUnwrap)
	}
	key, err := p.aead.Open(nil, nil, wrapped[1:], []byte(name))
	if err != nil {
		return nil, fmt.Errorf("%w: it does not belong to this key file, or was changed", ErrUnwrap)
	}
	return key, nil
}
