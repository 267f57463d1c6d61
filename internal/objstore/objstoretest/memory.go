// Package objstoretest holds the suite that every object store passes, and
// stores with character for the tests of those who use one: in memory, failing
// at a chosen call, answering half a body, listing page by page.
package objstoretest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"holdfast.dev/holdfast/internal/objstore"
)

// Memory is a store in memory. The zero value is an empty bucket.
type Memory struct {
	mu      sync.Mutex
	objects map[string][]byte
}

// Put keeps a new object.
func (m *Memory) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := objstore.CheckName(name); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(r, size+1))
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("write object %s: %w", name, err)
	}
	if int64(len(data)) != size {
		return fmt.Errorf("write object %s: %w", name, io.ErrUnexpectedEOF)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.objects[name]; taken {
		return fmt.Errorf("write object %s: %w", name, objstore.ErrExists)
	}
	m.set(name, data)
	return nil
}

func (m *Memory) set(name string, data []byte) {
	if m.objects == nil {
		m.objects = map[string][]byte{}
	}
	m.objects[name] = data
}

func (m *Memory) get(name string) ([]byte, error) {
	if err := objstore.CheckName(name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	data, found := m.objects[name]
	if !found {
		return nil, fmt.Errorf("object %s: %w", name, objstore.ErrNotFound)
	}
	return data, nil
}

// Get reads a range of an object.
func (m *Memory) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	data, err := m.get(name)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	length, err = objstore.Range(int64(len(data)), offset, length)
	if err != nil {
		return nil, fmt.Errorf("read object %s: %w", name, err)
	}
	return io.NopCloser(bytes.NewReader(data[offset : offset+length])), nil
}

// Stat describes an object.
func (m *Memory) Stat(_ context.Context, name string) (objstore.Info, error) {
	data, err := m.get(name)
	if err != nil {
		return objstore.Info{}, err
	}
	return objstore.Info{Name: name, Size: int64(len(data))}, nil
}

// List yields the objects there are at the moment of the call.
func (m *Memory) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		for _, name := range m.Names(prefix) {
			data, err := m.get(name)
			if err != nil {
				continue // deleted while we listed
			}
			if err := ctx.Err(); err != nil {
				yield(objstore.Info{}, err)
				return
			}
			if !yield(objstore.Info{Name: name, Size: int64(len(data))}, nil) {
				return
			}
		}
	}
}

// Delete removes an object.
func (m *Memory) Delete(_ context.Context, name string) error {
	if err := objstore.CheckName(name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, name)
	return nil
}

// Names returns the names that start with prefix, sorted.
func (m *Memory) Names(prefix string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := slices.Sorted(maps.Keys(m.objects))
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}

// Bytes returns a copy of an object's content, nil when there is none.
func (m *Memory) Bytes(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.objects[name])
}

// Overwrite sets an object's content as no honest store does; it is how tests
// damage a repository.
func (m *Memory) Overwrite(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(name, bytes.Clone(data))
}

// Clone returns an independent copy of the bucket.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{objects: maps.Clone(m.objects)}
}
