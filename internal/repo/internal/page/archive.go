package page

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// Limits of archives.
const (
	MaxKey     = 4 << 10 // bytes
	MaxValue   = 8 << 20 // bytes
	GroupSize  = 1 << 20 // bytes; a group grows beyond only by its first record
	MaxEntries = 1024    // of a page
)

// Boundaries: a group ends after a key whose hash ends in groupBits zero bits,
// a page of level l after one with pageBits*(l+1) more. So boundaries depend
// on keys, not on what stands before them: one changed, new or lost record
// changes one group and one page of each level.
const (
	groupBits = 5 // 32 records in the mean
	pageBits  = 6 // 64 entries in the mean
)

// Weight is the number of zero bits at the end of a key's hash.
func Weight(key string) int {
	sum := sha256.Sum256([]byte(key))
	return bits.TrailingZeros64(binary.BigEndian.Uint64(sum[:8]))
}

// EndsGroup reports whether a group ends after a key of this weight.
func EndsGroup(weight int) bool { return weight >= groupBits }

// EndsPage reports whether a page of this level ends after an entry whose last
// key has this weight.
func EndsPage(weight, level int) bool { return weight >= groupBits+pageBits*(level+1) }

// Entry describes a child of an archive page: a group at level 0, a page of the
// level below at others.
type Entry struct {
	Name    seal.Name
	Records uint64 // below it
	Bytes   uint64 // of values below it
	Last    string // the greatest key below it
}

// AppendArchive appends a page of entries.
func AppendArchive(dst []byte, level int, entries []Entry) []byte {
	dst = appendHead(dst, kindArchive, level, len(entries))
	for _, e := range entries {
		dst = append(dst, e.Name[:]...)
		dst = binary.BigEndian.AppendUint64(dst, e.Records)
		dst = binary.BigEndian.AppendUint64(dst, e.Bytes)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(e.Last)))
		dst = append(dst, e.Last...)
	}
	return dst
}

// ParseArchive reads a page that must be at this level, sum up to what its
// entry says, and come after the key before. An entry without Last leaves the
// greatest key open, as for a root.
func ParseArchive(data []byte, level int, entry Entry, before string) ([]Entry, error) {
	r := seal.NewReader(data)
	count, err := head(r, kindArchive, level)
	if err != nil {
		return nil, err
	}
	if count == 0 || count > MaxEntries {
		return nil, malformed("%d entries", count)
	}
	entries := make([]Entry, 0, count)
	last, sum := before, Entry{}
	for range count {
		e := Entry{Name: r.Name(), Records: r.Uint64(), Bytes: r.Uint64()}
		e.Last = string(r.Bytes(int(r.Uint16())))
		if len(e.Last) > MaxKey || e.Last <= last {
			return nil, malformed("keys out of order")
		}
		last = e.Last
		sum.Records += e.Records
		sum.Bytes += e.Bytes
		entries = append(entries, e)
	}
	if r.Err() != nil {
		return nil, malformed("%w", r.Err())
	}
	if sum.Records != entry.Records || sum.Bytes != entry.Bytes || entry.Last != "" && entry.Last != last {
		return nil, malformed("page is not what its entry says")
	}
	return entries, nil
}

// AppendRecord appends a record to a group.
func AppendRecord(dst []byte, key string, value []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(key)))
	dst = append(dst, key...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}

// Record is one record of a group; Value shares the group's memory.
type Record struct {
	Key   string
	Value []byte
}

// ParseGroup reads the records of a group, which must be what its entry says
// and come after the key before.
func ParseGroup(data []byte, entry Entry, before string) ([]Record, error) {
	r := seal.NewReader(data)
	if entry.Records == 0 || entry.Records > uint64(len(data)) {
		return nil, malformed("group of %d records in %d bytes", entry.Records, len(data))
	}
	records := make([]Record, 0, min(entry.Records, 1024))
	size := uint64(0)
	for r.More() {
		key := string(r.Bytes(int(r.Uint16())))
		value := r.Bytes(int(r.Uint32()))
		if key <= before || len(key) > MaxKey || len(value) > MaxValue {
			return nil, malformed("key out of order, or record too long")
		}
		before = key
		size += uint64(len(value))
		records = append(records, Record{Key: key, Value: value})
	}
	if r.Err() != nil {
		return nil, malformed("%w", r.Err())
	}
	if uint64(len(records)) != entry.Records || size != entry.Bytes || before != entry.Last {
		return nil, malformed("group is not what its entry says")
	}
	return records, nil
}
