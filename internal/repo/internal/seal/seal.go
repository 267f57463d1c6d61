// Package seal derives the keys of a repository and does its cryptography:
// naming blocks, sealing parts of objects, signing manifests. It uses the
// standard library's primitives only. See spec/repository.md, section 3.
//
//	data key ── HKDF-SHA-256, salt = repository id
//	   ├─ name    HMAC-SHA-256 over content = block names
//	   ├─ seal    one AES-256-GCM key per object; nonce = offset in the object
//	   ├─ sign    Ed25519 seed
//	   └─ key id  public, tells a wrong key
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"sync"
)

// Lengths in bytes.
const (
	KeySize  = 32
	NameSize = 32
	Overhead = 16 // what sealing adds
)

// ErrOpen means that sealed bytes were changed, cut, moved, or sealed by
// another key.
var ErrOpen = errors.New("sealed bytes do not open")

// Name is the name of a block: a keyed hash of its content.
type Name [NameSize]byte

// Hole is the name that stands for a range of zeros, of which nothing is stored.
var Hole Name

// IsHole reports whether n stands for zeros.
func (n Name) IsHole() bool { return n == Hole }

// Keys are the keys derived from a repository's data key.
type Keys struct {
	seal  []byte
	sign  ed25519.PrivateKey
	keyID [16]byte
	names sync.Pool // of hash.Hash
}

// Derive returns the keys of the repository with this id.
func Derive(dataKey [KeySize]byte, repository [16]byte) *Keys {
	root, err := hkdf.Extract(sha256.New, dataKey[:], repository[:])
	if err != nil {
		panic("hkdf: " + err.Error()) // only for hashes that are not approved
	}
	name := expand(root, "holdfast/1 name", KeySize)
	k := &Keys{
		seal: expand(root, "holdfast/1 seal", KeySize),
		sign: ed25519.NewKeyFromSeed(expand(root, "holdfast/1 sign", ed25519.SeedSize)),
	}
	copy(k.keyID[:], expand(root, "holdfast/1 key id", len(k.keyID)))
	k.names.New = func() any { return hmac.New(sha256.New, name) }
	return k
}

func expand(secret []byte, info string, size int) []byte {
	out, err := hkdf.Expand(sha256.New, secret, info, size)
	if err != nil {
		panic("hkdf: " + err.Error()) // only for sizes beyond 8,160
	}
	return out
}

// KeyID identifies the data key; it is public.
func (k *Keys) KeyID() [16]byte { return k.keyID }

// Public returns the key that verifies signatures.
func (k *Keys) Public() ed25519.PublicKey { return k.sign.Public().(ed25519.PublicKey) }

// Name returns the name of content. It is safe for concurrent use.
func (k *Keys) Name(content []byte) Name {
	h := k.names.Get().(hash.Hash)
	defer k.names.Put(h)
	h.Reset()
	_, _ = h.Write(content) // a hash never fails
	var name Name
	h.Sum(name[:0])
	return name
}

// Sign signs message.
func (k *Keys) Sign(message []byte) []byte { return ed25519.Sign(k.sign, message) }

// Verify reports whether signature is ours over message.
func (k *Keys) Verify(message, signature []byte) bool {
	return len(signature) == ed25519.SignatureSize && ed25519.Verify(k.Public(), message, signature)
}

// Role says what a sealed part is, so that no part can stand in for one of
// another role.
type Role byte

// Roles of sealed parts.
const (
	RoleBody   Role = 0
	RoleFooter Role = 1
)

// Cipher seals and opens the parts of one object. It is safe for concurrent use.
type Cipher struct{ aead cipher.AEAD }

// Object returns the cipher of one object. The pair of id and salt must never
// have been used for other content, which random ones ensure without any
// memory that a crash could lose.
func (k *Keys) Object(header [8]byte, id [16]byte, salt []byte) Cipher {
	info := "holdfast/1 object" + string(header[:]) + string(id[:]) + string(salt)
	block, err := aes.NewCipher(expand(k.seal, info, KeySize))
	if err != nil {
		panic("aes: " + err.Error()) // only for other key sizes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("gcm: " + err.Error()) // only for other block sizes
	}
	return Cipher{aead}
}

// Seal appends the sealed plaintext to dst. offset is where the part will stand
// in its object; it is the nonce, so each offset is sealed once.
func (c Cipher) Seal(dst, plaintext []byte, offset int64, role Role) []byte {
	n := nonce(offset)
	return c.aead.Seal(dst, n[:], plaintext, []byte{byte(role)})
}

// Open appends the plaintext of a sealed part to dst, or returns ErrOpen.
func (c Cipher) Open(dst, sealed []byte, offset int64, role Role) ([]byte, error) {
	n := nonce(offset)
	out, err := c.aead.Open(dst, n[:], sealed, []byte{byte(role)})
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

func nonce(offset int64) [12]byte {
	var n [12]byte
	binary.BigEndian.PutUint64(n[4:], uint64(offset))
	return n
}
