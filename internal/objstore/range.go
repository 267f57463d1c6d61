package objstore

import "fmt"

// Range resolves the range of a Get against an object of size bytes: it
// returns the number of bytes to read, or ErrRange when the range does not lie
// within the object.
func Range(size, offset, length int64) (int64, error) {
	if length == -1 {
		length = size - offset
	}
	if offset < 0 || length < 0 || offset > size || length > size-offset {
		return 0, fmt.Errorf("%w: %d bytes at %d of %d", ErrRange, length, offset, size)
	}
	return length, nil
}
