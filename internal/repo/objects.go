package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast.dev/holdfast/internal/objstore"
)

// errTooBig means that an object is larger than any its kind can be.
var errTooBig = errors.New("object is too large")

// readObject reads a whole object of at most limit bytes.
func readObject(ctx context.Context, store objstore.Store, name string, limit int64) ([]byte, error) {
	body, err := store.Get(ctx, name, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", name, err)
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, &Damage{Object: name, Err: errTooBig}
	}
	return data, nil
}

// readRange reads exactly len(p) bytes of an object from offset.
func readRange(ctx context.Context, store objstore.Store, name string, p []byte, offset int64) error {
	body, err := store.Get(ctx, name, offset, int64(len(p)))
	if err != nil {
		return fmt.Errorf("object %s: %w", name, err)
	}
	defer body.Close()
	if _, err := io.ReadFull(body, p); err != nil {
		return fmt.Errorf("object %s: %d bytes at %d: %w", name, len(p), offset, err)
	}
	return nil
}

// putFresh stores an object under a random name. That name being taken means
// that an earlier attempt of this very call got through before its answer was
// lost, since nobody else can know it.
func putFresh(ctx context.Context, store objstore.Store, name string, data []byte) error {
	err := store.Put(ctx, name, bytes.NewReader(data), int64(len(data)))
	if !errors.Is(err, objstore.ErrExists) {
		return wrap(err, "store "+name)
	}
	return wrap(sameSize(ctx, store, name, int64(len(data))), "store "+name)
}

func sameSize(ctx context.Context, store objstore.Store, name string, size int64) error {
	info, err := store.Stat(ctx, name)
	if err == nil && info.Size != size {
		err = fmt.Errorf("%w: %d bytes", ErrConflict, info.Size)
	}
	return err
}
