package backup

import (
	"encoding/binary"
	"encoding/hex"
	"time"
)

// newestFirst returns 16 bytes that are smaller the later t is, so that what
// is stored under them lists newest first. They have the form of a UUID of
// version 8 (RFC 9562): 48 bits of milliseconds counting down, then random.
func newestFirst(t time.Time, random [10]byte) [16]byte {
	const mask = 1<<48 - 1
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], (mask-uint64(t.UnixMilli())&mask)<<16)
	copy(id[6:], random[:])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// NewJobID returns a GUID for a job started at t; later jobs have smaller ids.
func NewJobID(t time.Time, random [10]byte) string {
	h := NewRecoveryPointID(t, random)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// NewRecoveryPointID returns the 32 hex digits of a recovery point begun at t;
// later points have smaller ids.
func NewRecoveryPointID(t time.Time, random [10]byte) string {
	id := newestFirst(t, random)
	return hex.EncodeToString(id[:])
}

// LastJobIDAfter returns an id between those of the jobs started after t and
// those of the others.
func LastJobIDAfter(t time.Time) string {
	return NewJobID(t.Add(time.Millisecond), [10]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255})
}
