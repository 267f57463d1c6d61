package keys

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"holdfast.dev/holdfast/internal/objstore"
)

// Folder is where the wrapped forms of a repository's data key lie in the
// repository; see spec/keys.md.
const Folder = "keys/"

const (
	documentFormat  = "holdfast wrapped key"
	documentVersion = 1
	// maxDocument bounds what is read of one, in bytes, and mostDocuments how many
	// are: the bucket is not trusted.
	maxDocument   = 64 << 10
	mostDocuments = 100
)

// Document is a wrapped data key as it lies in a repository.
type Document struct {
	Format     string `json:"format"`
	Version    int    `json:"version,omitempty"` // absent in the first ones, which are version 1 too
	Repository string `json:"repository"`        // the name that the key is bound to
	Description
	Wrapped []byte `json:"wrapped"`

	object string // that holds it
	damage error  // why it could not be read
}

// nameOf names a document by what it holds, so that a repeated put finds itself.
func nameOf(wrapped []byte) string {
	sum := sha256.Sum256(wrapped)
	return Folder + hex.EncodeToString(sum[:16])
}

// putDocument stores a wrapped key in a repository; one that is there already
// is no error.
func putDocument(ctx context.Context, repository objstore.Store, name string, by Description, wrapped []byte) error {
	content, err := json.Marshal(Document{Format: documentFormat, Version: documentVersion, Repository: name, Description: by, Wrapped: wrapped})
	if err != nil {
		return fmt.Errorf("wrapped key of %s: %w", name, err)
	}
	content = append(content, '\n')
	err = repository.Put(ctx, nameOf(wrapped), bytes.NewReader(content), int64(len(content)))
	if errors.Is(err, objstore.ErrExists) {
		return nil
	}
	return err
}

// documents reads all wrapped keys in a repository, in order of names. One that
// cannot be made sense of is told of in its damage.
func documents(ctx context.Context, repository objstore.Store) ([]Document, error) {
	var all []Document
	for info, err := range repository.List(ctx, Folder) {
		if err != nil {
			return nil, fmt.Errorf("list wrapped keys: %w", err)
		}
		if len(all) == mostDocuments {
			return nil, fmt.Errorf("there are more than %d wrapped keys", mostDocuments)
		}
		doc, err := readDocument(ctx, repository, info)
		if errors.Is(err, objstore.ErrNotFound) {
			continue // deleted meanwhile, by another who wraps anew
		}
		if err != nil {
			return nil, err
		}
		all = append(all, doc)
	}
	return all, nil
}

// readDocument returns an error when the store fails, and damage in the document.
func readDocument(ctx context.Context, repository objstore.Store, info objstore.Info) (doc Document, err error) {
	doc.object = info.Name
	if info.Size > maxDocument {
		doc.damage = fmt.Errorf("%s has %d bytes", info.Name, info.Size)
		return doc, nil
	}
	body, err := repository.Get(ctx, info.Name, 0, info.Size)
	if err != nil {
		return doc, fmt.Errorf("read wrapped key: %w", err)
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, maxDocument))
	if err != nil {
		return doc, fmt.Errorf("read wrapped key %s: %w", info.Name, err)
	}
	doc.damage = doc.parse(content)
	return doc, nil
}

// parse reads a document that is whole and of a version that is known.
func (d *Document) parse(content []byte) error {
	object := d.object
	err := json.Unmarshal(content, d)
	d.object = object
	switch {
	case err != nil || d.Format != documentFormat:
		return fmt.Errorf("%s is no wrapped key", object)
	case d.Version > documentVersion || d.Version < 0:
		return fmt.Errorf("%s is of version %d, this program knows %d", object, d.Version, documentVersion)
	case d.Repository == "" || len(d.Wrapped) == 0:
		return fmt.Errorf("%s is incomplete", object)
	}
	return nil
}

// Recover returns the data key of a repository from the wrapped forms that lie in
// it, and the name it is bound to: a bucket and the key provider are enough. The
// error says which providers' keys would be needed.
func Recover(ctx context.Context, repository objstore.Store, provider Provider) (key []byte, name string, err error) {
	found, err := documents(ctx, repository)
	if err != nil {
		return nil, "", err
	}
	if len(found) == 0 {
		return nil, "", fmt.Errorf("the repository holds no wrapped key: %w", objstore.ErrNotFound)
	}
	var refused []error
	for _, doc := range found {
		if doc.damage != nil {
			refused = append(refused, doc.damage)
			continue
		}
		key, err := provider.Unwrap(ctx, doc.Repository, doc.Wrapped)
		if err == nil && len(key) == Size {
			return key, doc.Repository, nil
		}
		if err == nil {
			err = fmt.Errorf("it has %d bytes, not %d", len(key), Size)
		}
		refused = append(refused, fmt.Errorf("%s, wrapped by %s %s: %w", doc.object, doc.Provider, doc.Key, err))
	}
	return nil, "", errors.Join(refused...)
}
