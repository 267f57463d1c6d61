package changed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	api "holdfast.dev/holdfast/api/snapshotmetadata"
	"holdfast.dev/holdfast/internal/volume"
	"holdfast.dev/holdfast/internal/volume/extent"
)

const (
	grain     = 4096    // shorter gaps between ranges are closed, in bytes
	maxRanges = 1 << 20 // more make the gaps larger that are closed; 16 bytes each
	maxTries  = 5       // to go on after a broken stream without a single range in between
)

// listing gathers the ranges of one question, over as many streams as it takes.
type listing struct {
	size     int64
	kind     api.BlockMetadataType
	fixed    int64 // bytes of each range, where all have the same size
	capacity int64
	end      int64 // of the last range
	ranges   *extent.Builder
	pause    time.Duration // before a broken stream is begun anew the first time
	silence  time.Duration // after which a stream without a message counts as broken
}

func newListing(size int64) *listing {
	return &listing{size: size, ranges: extent.NewBuilder(grain, maxRanges), pause: 500 * time.Millisecond, silence: 2 * time.Minute}
}

// result is about the volume as far as the driver knows it. A stream without
// any message is an answer too: there is no range.
func (l *listing) result() *volume.Map {
	length := l.size
	if l.capacity > 0 {
		length = l.capacity
	}
	return &volume.Map{Ranges: l.ranges.Set(), Length: length}
}

// follow opens streams until one ends well, each where the last broke off.
func (l *listing) follow(ctx context.Context, begin open) error {
	pause := l.pause
	for try := 1; ; try++ {
		before := l.end
		err := l.one(ctx, begin)
		if err == nil || ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var bad *Unavailable
		if errors.As(err, &bad) {
			return err
		}
		again, kind := kindOf(err)
		if l.end > before {
			try, pause = 1, l.pause
		}
		if !again || try >= maxTries {
			return &Unavailable{kind, err}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause *= 2
	}
}

// one reads a stream to its end.
func (l *listing) one(ctx context.Context, begin open) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(l.silence, func() { cancel(fmt.Errorf("nothing for %s", l.silence)) })
	defer watch.Stop()
	receive, err := begin(ctx, l.end)
	from := l.end
	for err == nil {
		var m message
		if m, err = receive(); err == nil {
			watch.Reset(l.silence)
			err = l.add(m, from)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// add checks a message and takes its ranges. from is the offset the stream was
// asked for: its first range may begin before.
func (l *listing) add(m message, from int64) error {
	kind, capacity := m.GetBlockMetadataType(), m.GetVolumeCapacityBytes()
	switch {
	case kind != api.BlockMetadataType_FIXED_LENGTH && kind != api.BlockMetadataType_VARIABLE_LENGTH:
		return answer("ranges of kind %s", kind)
	case l.kind != api.BlockMetadataType_UNKNOWN && l.kind != kind:
		return answer("ranges of kind %s after %s", kind, l.kind)
	case capacity <= 0:
		return answer("a volume of %d bytes", capacity)
	case l.capacity != 0 && l.capacity != capacity:
		return answer("a volume of %d bytes after one of %d", capacity, l.capacity)
	}
	l.kind, l.capacity = kind, capacity
	for _, r := range m.GetBlockMetadata() {
		if err := l.addRange(r.GetByteOffset(), r.GetSizeBytes(), from); err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) addRange(offset, size, from int64) error {
	if offset < 0 || size <= 0 || offset >= l.capacity {
		return answer("a range of %d bytes at %d of %d", size, offset, l.capacity)
	}
	length := min(size, l.capacity-offset) // also where the sum would be too large
	if l.kind == api.BlockMetadataType_FIXED_LENGTH {
		if l.fixed != 0 && l.fixed != size {
			return answer("a range of %d bytes where all have %d", size, l.fixed)
		}
		l.fixed = size
	} else if length != size {
		return answer("a range of %d bytes at %d of %d", size, offset, l.capacity)
	}
	if from > 0 && l.end == from && offset < from { // what was told before the stream broke
		if offset+length <= from {
			return answer("a range up to %d after asking from %d", offset+length, from)
		}
		length -= from - offset
		offset = from
	}
	if offset < l.end {
		return answer("a range at %d after one up to %d", offset, l.end)
	}
	l.ranges.Add(offset, length)
	l.end = offset + length
	return nil
}
