package rescue

import (
	"container/list"
	"context"
	"fmt"
	"io"
	"sync"

	"holdfast.dev/holdfast/internal/repo"
)

// cached bounds the bytes of blocks that a Device keeps.
const cached = 32 << 20

// Device is the data of a volume to be read anywhere, as from the device it was
// read from. Holes read as zeros. It may be read by several goroutines.
type Device struct {
	ctx    context.Context
	volume *repo.VolumeReader
	shape  repo.VolumeShape

	mu    sync.Mutex
	kept  map[int64]*list.Element // of *keptBlock
	order *list.List              // front is the latest used
	size  int
}

type keptBlock struct {
	number int64
	data   []byte // nil for a hole
}

// NewDevice returns a volume as a device. ctx ends all reading.
func NewDevice(ctx context.Context, volume *repo.VolumeReader) *Device {
	return &Device{ctx: ctx, volume: volume, shape: volume.Shape(), kept: map[int64]*list.Element{}, order: list.New()}
}

// Size is the volume's in bytes.
func (d *Device) Size() int64 { return d.shape.Length }

// ReadAt reads across blocks. Every byte was checked against its name.
func (d *Device) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read at %d", offset)
	}
	done := 0
	for done < len(p) {
		at := offset + int64(done)
		if at >= d.shape.Length {
			return done, io.EOF
		}
		number, within := at/d.shape.BlockSize, at%d.shape.BlockSize
		data, err := d.block(number)
		if err != nil {
			return done, err
		}
		part := p[done:min(int64(len(p)), int64(done)+min(d.shape.BlockSize-within, d.shape.Length-at))]
		if data == nil {
			clear(part)
			done += len(part)
			continue
		}
		done += copy(part, data[within:])
	}
	return done, nil
}

func (d *Device) block(number int64) ([]byte, error) {
	if err := d.ctx.Err(); err != nil {
		return nil, err // also what is in memory is not read any more
	}
	d.mu.Lock()
	if e, ok := d.kept[number]; ok {
		d.order.MoveToFront(e)
		d.mu.Unlock()
		return e.Value.(*keptBlock).data, nil
	}
	d.mu.Unlock()
	data, err := d.volume.Block(d.ctx, number)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.kept[number]; !ok {
		d.kept[number] = d.order.PushFront(&keptBlock{number, data})
		d.size += len(data) + 100 // a hole is remembered too, and is not for nothing
		for e := d.order.Back(); d.size > cached; e = d.order.Back() {
			old := d.order.Remove(e).(*keptBlock)
			delete(d.kept, old.number)
			d.size -= len(old.data) + 100
		}
	}
	return data, nil
}
