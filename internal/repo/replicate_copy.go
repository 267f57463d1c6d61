package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"holdfast.dev/holdfast/internal/repo/internal/frame"
	"holdfast.dev/holdfast/internal/repo/internal/pack"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// Limits of copying.
const (
	copiers     = 4       // packs read at once
	framesAhead = 1 << 16 // frames that are gathered before they are copied
)

// copy copies what a recovery point needs, frame by frame, and its manifest. A
// pack that turns out to be damaged, or was rewritten meanwhile, is passed over
// in another round, as long as its blocks are somewhere else.
func (r *replication) copy(ctx context.Context, w *Writer, m Manifest) error {
	spoiled := map[layout.ID]bool{}
	for {
		before := len(spoiled)
		err := r.round(ctx, w, m, spoiled)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrDamaged) || len(spoiled) == before {
			return err
		}
	}
	if err := w.Flush(ctx); err != nil {
		return err
	}
	r.tell(w)
	if err := r.from.copyManifest(ctx, w.point, r.to); err != nil {
		return err
	}
	r.to.retract(ctx, w.point)
	return nil
}

func (r *replication) round(ctx context.Context, w *Writer, m Manifest, spoiled map[layout.ID]bool) error {
	v, err := r.from.look(ctx)
	if err != nil {
		return err
	}
	defer v.close()
	if err := v.adopt(ctx, v.bare(false)); err != nil {
		return err
	}
	for id := range v.gone {
		spoiled[id] = true
	}
	r.planned, r.known = w.Stats().BytesStored, false
	c := &copying{replication: r, view: v, writer: w, spoiled: spoiled, needed: marks{}, walked: marks{}, frames: map[frameKey]bool{}}
	walk := walker{read: r.from.block, enter: func(name seal.Name) (bool, error) { return c.page(ctx, name) },
		leaf: func(name seal.Name, _ func([]byte) error) error { return c.block(ctx, name) },
		lost: func(_ seal.Name, err error) error { return err }}
	for _, ref := range m.Streams {
		if err := walk.stream(ctx, ref); err != nil {
			return ofStream(ref.Name, err)
		}
	}
	r.known = true
	return c.flush(ctx)
}

// copying is one round over a recovery point.
type copying struct {
	*replication
	view    *view
	writer  *Writer
	spoiled map[layout.ID]bool
	needed  marks // blocks the recovery point needs, where they are taken from
	walked  marks // pages of which all below is marked
	frames  map[frameKey]bool
}

// page enters a page. That the other repository has it says nothing of what is
// below it: that may be gone as garbage.
func (c *copying) page(ctx context.Context, name seal.Name) (bool, error) {
	at, err := c.spot(name)
	if err != nil || c.walked.set(at) {
		return false, err
	}
	return true, c.block(ctx, name)
}

func (c *copying) spot(name seal.Name) (spot, error) {
	at, found, err := c.view.repo.places.spot(name, c.spoiled)
	if err == nil && !found {
		err = &Damage{Err: fmt.Errorf("block %x is in no index segment", name[:8])}
	}
	return at, err
}

// block notes the frame of a block that the other repository does not have.
func (c *copying) block(ctx context.Context, name seal.Name) error {
	at, err := c.spot(name)
	if err != nil || c.needed.set(at) {
		return err
	}
	_, found, err := c.to.places.find(name, c.writer.condemned)
	if found || err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	c.frames[frameKey{at.place.Pack, at.place.Offset, at.place.Sealed}] = true
	if len(c.frames) >= framesAhead {
		return c.flush(ctx)
	}
	return nil
}

// flush copies the frames noted, in the order they lie in.
func (c *copying) flush(ctx context.Context) error {
	packs := map[layout.ID][]frameKey{}
	for key := range c.frames {
		packs[key.pack] = append(packs[key.pack], key)
		c.planned += int64(key.sealed)
	}
	clear(c.frames)
	c.tell(c.writer)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(copiers)
	damaged := make(chan layout.ID, len(packs))
	for id, keys := range packs {
		slices.SortFunc(keys, func(a, b frameKey) int { return cmp.Compare(a.offset, b.offset) })
		g.Go(func() error {
			err := c.pack(gctx, id, keys)
			if errors.Is(err, ErrDamaged) {
				damaged <- id
			}
			c.tell(c.writer)
			return err
		})
	}
	err := g.Wait()
	close(damaged)
	for id := range damaged {
		c.spoiled[id] = true
	}
	return err
}

// pack copies frames of one pack.
func (c *copying) pack(ctx context.Context, id layout.ID, keys []frameKey) error {
	frames, err := c.from.footer(ctx, id, c.view.packs[id])
	if err != nil {
		return err
	}
	codec, err := frame.NewCodec()
	if err != nil {
		return err
	}
	defer codec.Close()
	into := c.writer.newRuns(volumeFrame)
	for _, key := range keys {
		i, found := slices.BinarySearchFunc(frames, key.offset, func(f pack.Frame, offset uint32) int { return cmp.Compare(f.Offset, offset) })
		if !found || frames[i].Length != key.sealed {
			err = &Damage{Object: layout.Pack(id), Err: pack.ErrPack}
		} else {
			err = c.frame(ctx, id, frames[i], codec, into)
		}
		if err != nil {
			break
		}
	}
	return errors.Join(err, into.flush()) // what was claimed is stored, whatever else fails
}

// frame copies a frame as it is when all its blocks are needed, else those
// that are.
func (c *copying) frame(ctx context.Context, id layout.ID, f pack.Frame, codec *frame.Codec, into *runs) error {
	plain, content, err := c.from.openFrame(ctx, id, f, codec)
	if err != nil {
		return err
	}
	fresh := make([]bool, len(f.Blocks))
	all := true
	for i, b := range f.Blocks {
		if fresh[i], err = c.fresh(b); err != nil {
			return err
		}
		all = all && fresh[i]
	}
	if all {
		return c.writer.packs.add(plain, f.Blocks)
	}
	for i, b := range f.Blocks {
		if fresh[i] {
			if err := into.append(b.Name, content[:b.Length]); err != nil {
				return err
			}
		}
		content = content[b.Length:]
	}
	return nil
}

// fresh reports whether a block is needed, and the caller has to store it.
func (c *copying) fresh(b pack.Block) (bool, error) {
	at, err := c.spot(b.Name)
	if errors.Is(err, ErrDamaged) {
		return false, nil // in no index, so not needed
	}
	if err != nil || !c.needed.has(at) {
		return false, err
	}
	return c.writer.claim(b.Name, int(b.Length))
}

// openFrame reads a frame, and proves that its blocks are what their names say.
// It returns the frame's plaintext, and its content.
func (r *Repository) openFrame(ctx context.Context, id layout.ID, f pack.Frame, codec *frame.Codec) (plain, content []byte, err error) {
	name := layout.Pack(id)
	sealed := make([]byte, f.Length)
	if err := readRange(ctx, r.store, name, sealed, int64(f.Offset)); err != nil {
		return nil, nil, missing(name, err)
	}
	plain, err = pack.Cipher(r.keys, id).Open(sealed[:0], sealed, int64(f.Offset), seal.RoleBody)
	if err == nil {
		content, err = codec.Decode(nil, plain)
	}
	if err != nil {
		return nil, nil, located(name, err)
	}
	rest := content
	for _, b := range f.Blocks {
		if int64(b.Length) > int64(len(rest)) || r.keys.Name(rest[:b.Length]) != b.Name {
			return nil, nil, &Damage{Object: name, Err: errContent}
		}
		rest = rest[b.Length:]
	}
	return plain, content, nil
}
