package volume

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"holdfast.dev/holdfast/internal/volume/extent"
)

// Kind says what becomes of a run of blocks.
type Kind int

// The kinds of steps.
const (
	Read    Kind = iota // read from the device
	Inherit             // take over from the base stream, unread
	Hole                // known to hold nothing
)

// Step is what becomes of the blocks from From up to, not including, To.
type Step struct {
	Kind     Kind
	From, To int64
}

// Base is the stream of an earlier recovery point of the same volume.
type Base struct {
	Length int64      // bytes
	Stored extent.Set // what the stream holds blocks for; the rest of it is holes
}

// Input is everything a plan is made from. A map that is nil is not known.
type Input struct {
	Size      int64 // of the device in bytes
	BlockSize int64 // of the stream: a power of two
	Used      *Map  // by the file system
	Allocated *Map  // by the storage; the rest reads as zeros
	Changed   *Map  // since Base was taken
	Base      *Base
	Notes     []string // why a map or the base is missing, for the reason
}

// Plan says of every block what becomes of it, in ascending order.
type Plan struct {
	Size      int64 // bytes
	BlockSize int64 // bytes
	Steps     []Step
	ToRead    int64  // bytes
	Reason    string // for people: what is read, and why so much
}

// MakePlan decides what is read. It is a pure function.
func MakePlan(in Input) (Plan, error) {
	if in.Size < 0 || in.BlockSize < alignment || bits.OnesCount64(uint64(in.BlockSize)) != 1 {
		return Plan{}, fmt.Errorf("plan: %d bytes in blocks of %d", in.Size, in.BlockSize)
	}
	if in.Changed != nil && in.Base == nil {
		return Plan{}, errors.New("plan: changes, and no base they are changes of")
	}
	data := extent.All(in.Size)
	if in.Allocated != nil {
		data = data.Intersect(in.Allocated.on(in.Size))
	}
	if in.Used != nil {
		data = data.Intersect(in.Used.on(in.Size))
	}
	data = data.Align(in.BlockSize, in.Size)
	inherit := in.inherit(data)
	read := data.Subtract(inherit)
	p := Plan{Size: in.Size, BlockSize: in.BlockSize, ToRead: read.Bytes(), Reason: in.reason(read, inherit)}
	p.Steps = steps(in, read, inherit)
	return p, nil
}

// inherit is what of data need not be read. A block that is a hole in the base
// is never taken over: it may have been free space then, left out though it
// held the data that the file system calls used now, written just before the
// base was cut and not yet on its books.
func (in Input) inherit(data extent.Set) extent.Set {
	if in.Base == nil || in.Changed == nil {
		return nil
	}
	whole := in.Base.Length
	if whole != in.Size { // a short last block has grown or is not the last any more
		whole -= whole % in.BlockSize
	}
	stored := in.Base.Stored.Intersect(extent.All(min(whole, in.Size)))
	return data.Intersect(stored).Subtract(in.Changed.on(in.Size).Align(in.BlockSize, in.Size))
}

// steps puts the sets in order; both hold whole blocks.
func steps(in Input, read, inherit extent.Set) []Step {
	var all []Step
	at, last := int64(0), (in.Size+in.BlockSize-1)/in.BlockSize
	add := func(kind Kind, to int64) {
		if to > at {
			all = append(all, Step{kind, at, to})
			at = to
		}
	}
	for len(read) > 0 || len(inherit) > 0 {
		next, kind := &read, Read
		if len(read) == 0 || len(inherit) > 0 && inherit[0].Offset < read[0].Offset {
			next, kind = &inherit, Inherit
		}
		r := (*next)[0]
		*next = (*next)[1:]
		add(Hole, r.Offset/in.BlockSize)
		add(kind, (r.End()+in.BlockSize-1)/in.BlockSize)
	}
	add(Hole, last)
	return all
}

func (in Input) reason(read, inherit extent.Set) string {
	text := fmt.Sprintf("%s of %s to read", Bytes(read.Bytes()), Bytes(in.Size))
	if in.Base != nil && in.Changed != nil {
		text += fmt.Sprintf(", %s unchanged", Bytes(inherit.Bytes()))
	}
	if in.Base != nil && in.Changed == nil {
		text += ", compared with the recovery point before"
	}
	for _, m := range []struct {
		known *Map
		text  string
	}{{in.Allocated, "only what the storage has allocated"}, {in.Used, "only what the file system uses"}} {
		if m.known != nil {
			text += ", " + m.text
		}
	}
	if len(in.Notes) > 0 {
		text += " (" + strings.Join(in.Notes, "; ") + ")"
	}
	return text
}

// Distrust returns the input without anything the storage said, after it was
// found wrong once.
func (in Input) Distrust(note string) Input {
	in.Allocated, in.Changed = nil, nil
	in.Notes = append(append([]string(nil), in.Notes...), note)
	return in
}

// Bytes prints a number of bytes for people, such as 1.5 GiB.
func Bytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d bytes", n)
	}
	value, unit := float64(n)/(1<<10), 0
	for value >= 1024 && unit < 4 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[unit])
}
