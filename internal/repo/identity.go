package repo

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

const (
	formatName  = "holdfast repository"
	maxIdentity = 64 << 10 // bytes
)

// identity is the content of the object "repository". It holds no secret, and
// follows from id and data key alone, so that creating twice gives equal bytes.
type identity struct {
	Format    string `json:"format"`
	Version   int    `json:"version"`
	ID        string `json:"id"`
	KeyID     string `json:"keyId"`
	PublicKey string `json:"publicKey"`           // Ed25519, verifies documents
	Signature string `json:"signature,omitempty"` // over this document without it
}

func encodeIdentity(id layout.ID, keys *seal.Keys) []byte {
	keyID := keys.KeyID()
	doc := identity{Format: formatName, Version: layout.Version, ID: id.String(),
		KeyID: hex.EncodeToString(keyID[:]), PublicKey: hex.EncodeToString(keys.Public())}
	doc.Signature = hex.EncodeToString(keys.Sign(marshal(doc)))
	return append(marshal(doc), '\n')
}

func marshal(doc identity) []byte {
	data, err := json.Marshal(doc)
	if err != nil {
		panic("encode identity: " + err.Error()) // strings and a number always encode
	}
	return data
}

// checkIdentity reads the object "repository" and proves that key belongs to it.
func checkIdentity(data []byte, key Key) (layout.ID, *seal.Keys, error) {
	var doc identity
	if err := json.Unmarshal(data, &doc); err != nil {
		return layout.ID{}, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if doc.Format != formatName {
		return layout.ID{}, nil, fmt.Errorf("%w: format is %q", ErrNoRepository, doc.Format)
	}
	if doc.Version != layout.Version {
		return layout.ID{}, nil, fmt.Errorf("%w: repository has version %d, this program reads %d", ErrVersion, doc.Version, layout.Version)
	}
	id, err := layout.ParseID(doc.ID)
	if err != nil {
		return layout.ID{}, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	keys := seal.Derive(key, id)
	if keyID := keys.KeyID(); doc.KeyID != hex.EncodeToString(keyID[:]) {
		return layout.ID{}, nil, fmt.Errorf("%w: repository %s has key id %s", ErrWrongKey, doc.ID, doc.KeyID)
	}
	if !bytes.Equal(data, encodeIdentity(id, keys)) {
		return layout.ID{}, nil, fmt.Errorf("%w: its signature does not match", ErrDamaged)
	}
	return id, keys, nil
}
