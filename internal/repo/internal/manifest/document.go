package manifest

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/repo/internal/frame"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// SaltSize is the length of the random salt of a document in bytes. A document
// is written under a name that is known beforehand, so its key must not depend
// on the name alone: two attempts may hold different content.
const SaltSize = 16

// MaxDocument is the greatest size of a document object in bytes.
const MaxDocument = 64 << 20

// Errors of documents.
var (
	ErrSignature = errors.New("signature does not match")
	ErrDocument  = errors.New("malformed document")
)

// EncodeDocument returns a small sealed and signed object:
//
//	header 8 | salt 16 | sealed frame | signature 64
func EncodeDocument(keys *seal.Keys, magic seal.Magic, repository, id [16]byte, salt [SaltSize]byte, content []byte) ([]byte, error) {
	codec, err := frame.NewCodec()
	if err != nil {
		return nil, err
	}
	defer codec.Close()
	plain, err := codec.Encode(nil, content)
	if err != nil {
		return nil, err
	}
	header := magic.Header()
	out := append(header[:], salt[:]...)
	out = keys.Object(header, id, salt[:]).Seal(out, plain, int64(len(out)), seal.RoleBody)
	return append(out, keys.Sign(message(repository, id, out))...), nil
}

// message is what the signature of a document covers: also whose it is, so
// that a document does not verify under another name.
func message(repository, id [16]byte, signed []byte) []byte {
	m := append([]byte("holdfast/1 document"), repository[:]...)
	m = append(m, id[:]...)
	return append(m, signed...)
}

// DecodeDocument verifies and opens a document.
func DecodeDocument(keys *seal.Keys, magic seal.Magic, repository, id [16]byte, data []byte) ([]byte, error) {
	if err := magic.Check(data); err != nil {
		return nil, err
	}
	const start = seal.HeaderSize + SaltSize
	end := len(data) - ed25519.SignatureSize
	if end < start || len(data) > MaxDocument {
		return nil, fmt.Errorf("%w: %d bytes", ErrDocument, len(data))
	}
	if !keys.Verify(message(repository, id, data[:end]), data[end:]) {
		return nil, ErrSignature
	}
	plain, err := keys.Object(magic.Header(), id, data[seal.HeaderSize:start]).Open(nil, data[start:end], start, seal.RoleBody)
	if err != nil {
		return nil, err
	}
	codec, err := frame.NewCodec()
	if err != nil {
		return nil, err
	}
	defer codec.Close()
	return codec.Decode(nil, plain)
}
