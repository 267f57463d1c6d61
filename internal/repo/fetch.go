package repo

import (
	"container/list"
	"context"
	"errors"
	"slices"
	"sync"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/frame"
	"holdfast.dev/holdfast/internal/repo/internal/index"
	"holdfast.dev/holdfast/internal/repo/internal/pack"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// cachedFrames is how many bytes of opened frames are kept.
const cachedFrames = 32 << 20

// frames fetches and opens frames. Neighbouring blocks share a frame, so the
// last ones are kept, and one being fetched is fetched once.
type frames struct {
	store  objstore.Store
	keys   *seal.Keys
	codecs sync.Pool // of *frame.Codec

	mu    sync.Mutex
	kept  map[frameKey]*list.Element // of *opening
	order *list.List                 // front is the latest used
	size  int
	limit int                // of size
	packs map[layout.ID]bool // those that served, when somebody wants to know
}

type frameKey struct {
	pack   layout.ID
	offset uint32
	sealed uint32
}

// opening is a frame, or the wait for it.
type opening struct {
	key     frameKey
	done    chan struct{}
	content []byte
	err     error
}

func newFrames(store objstore.Store, keys *seal.Keys) *frames {
	return &frames{store: store, keys: keys, kept: map[frameKey]*list.Element{}, order: list.New(), limit: cachedFrames}
}

// get returns the content of a frame, to be read only.
func (f *frames) get(ctx context.Context, place index.Place) ([]byte, error) {
	key := frameKey{place.Pack, place.Offset, place.Sealed}
	for {
		o, mine := f.claim(key)
		if mine {
			o.content, o.err = f.fetch(ctx, key)
			f.settle(o)
			return o.content, o.err
		}
		select {
		case <-o.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if o.err == nil {
			return o.content, nil
		} // another's fetch failed, perhaps by its context: try ourselves
	}
}

func (f *frames) claim(key frameKey) (o *opening, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e, found := f.kept[key]; found {
		f.order.MoveToFront(e)
		return e.Value.(*opening), false
	}
	o = &opening{key: key, done: make(chan struct{})}
	f.kept[key] = f.order.PushFront(o)
	return o, true
}

// settle publishes a fetched frame and forgets the oldest beyond the limit.
func (f *frames) settle(o *opening) {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(o.done)
	if o.err != nil {
		f.order.Remove(f.kept[o.key])
		delete(f.kept, o.key)
		return
	}
	if f.packs != nil {
		f.packs[o.key.pack] = true
	}
	f.size += len(o.content)
	for e := f.order.Back(); e != nil && f.size > f.limit; {
		old, before := e.Value.(*opening), e.Prev()
		if old != o && settled(old) {
			f.size -= len(old.content)
			f.order.Remove(e)
			delete(f.kept, old.key)
		}
		e = before
	}
}

func settled(o *opening) bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

func (f *frames) fetch(ctx context.Context, key frameKey) ([]byte, error) {
	codec, ok := f.codecs.Get().(*frame.Codec)
	if !ok {
		var err error
		if codec, err = frame.NewCodec(); err != nil {
			return nil, err
		}
	}
	defer f.codecs.Put(codec)
	o := opener{store: f.store, keys: f.keys, codec: codec}
	err := o.open(ctx, key)
	return o.content, err
}

// opener fetches and opens one frame after the other, with the same buffers.
type opener struct {
	store   objstore.Store
	keys    *seal.Keys
	codec   *frame.Codec
	sealed  []byte
	content []byte // of the frame opened last
}

func (o *opener) open(ctx context.Context, key frameKey) error {
	name := layout.Pack(key.pack)
	if key.sealed > pack.MaxFrame || key.sealed < seal.Overhead {
		return &Damage{Object: name, Err: pack.ErrPack}
	}
	o.sealed = slices.Grow(o.sealed[:0], int(key.sealed))[:key.sealed]
	if err := readRange(ctx, o.store, name, o.sealed, int64(key.offset)); err != nil {
		return missing(name, err)
	}
	plain, err := pack.Cipher(o.keys, key.pack).Open(o.sealed[:0], o.sealed, int64(key.offset), seal.RoleBody)
	if err == nil {
		o.content, err = o.codec.Decode(o.content[:0], plain)
	}
	return located(name, err)
}

// block reads a block and proves that it is what its name says. A block may be
// stored more than once; when one place is damaged, the others are tried.
func (r *Repository) block(ctx context.Context, name seal.Name) ([]byte, error) {
	var first error
	var spoiled map[layout.ID]bool
	for {
		place, err := r.places.locate(ctx, name, spoiled)
		if err != nil && first == nil {
			first = err
		}
		if err != nil {
			return nil, first
		}
		content, err := r.blockAt(ctx, name, place)
		if !errors.Is(err, ErrDamaged) {
			return content, err
		}
		if first == nil {
			first, spoiled = err, map[layout.ID]bool{}
		}
		spoiled[place.Pack] = true
	}
}

func (r *Repository) blockAt(ctx context.Context, name seal.Name, place index.Place) ([]byte, error) {
	content, err := r.frames.get(ctx, place)
	if err != nil {
		return nil, err
	}
	start, end := uint64(place.Start), uint64(place.Start)+uint64(place.Length)
	if end > uint64(len(content)) || r.keys.Name(content[start:end]) != name {
		return nil, &Damage{Object: layout.Pack(place.Pack), Err: errContent}
	}
	return content[start:end:end], nil
}
