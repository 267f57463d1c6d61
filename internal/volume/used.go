package volume

import (
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast.dev/holdfast/internal/volume/ext4"
	"holdfast.dev/holdfast/internal/volume/extent"
	"holdfast.dev/holdfast/internal/volume/xfs"
)

// FileSystem is what was found on a volume.
type FileSystem struct {
	Kind   string // "ext4" (ext2 and ext3 too), "xfs", or "" when it is not known
	Used   *Map   // nil when it cannot be relied on
	Reason string // why Used is nil
}

// foreign are the marks of what may lie over the remains of a file system that
// was there before.
var foreign = []struct {
	offset int64
	mark   string
	what   string
}{
	{4096, "\xfc\x4e\x2b\xa9", "a RAID member"},
	{4096 + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca", "a cache"},
	{65536 + 64, "_BHRfS_M", "btrfs"},
}

// Used looks for a file system that fills the device and returns which bytes
// it uses. Gaps shorter than grain bytes are not told, which bounds the work.
// Partition tables, logical volumes, databases and everything else that is not
// understood have no map, and a reason. An error means the device could not be
// read, or ctx ended.
func Used(ctx context.Context, r io.ReaderAt, size, grain int64) (FileSystem, error) {
	what, err := lead(r, size)
	if err != nil || what != "" {
		return FileSystem{Reason: what}, err
	}
	readers := []struct {
		kind  string
		used  func(context.Context, io.ReaderAt, int64, *extent.Builder) error
		other error
	}{{"ext4", ext4.Used, ext4.ErrOther}, {"xfs", xfs.Used, xfs.ErrOther}}
	for _, fs := range readers {
		b := extent.NewBuilder(grain, maxRanges)
		err := fs.used(ctx, r, size, b)
		var ext4Reason ext4.Unusable
		var xfsReason xfs.Unusable
		switch {
		case err == nil:
			return FileSystem{Kind: fs.kind, Used: &Map{Ranges: b.Set(), Length: size}}, nil
		case errors.As(err, &ext4Reason), errors.As(err, &xfsReason):
			return FileSystem{Kind: fs.kind, Reason: err.Error()}, nil
		case !errors.Is(err, fs.other):
			return FileSystem{}, fmt.Errorf("used blocks: %w", err)
		}
	}
	return FileSystem{Reason: "no file system that is understood"}, nil
}

// lead looks at the start of the device, which is empty or XFS's own where one
// file system fills it: a partition table or a label there means that whatever
// else is found may be a leftover.
func lead(r io.ReaderAt, size int64) (reason string, err error) {
	first := make([]byte, 1024)
	if size < int64(len(first)) {
		return "too small for a file system", nil
	}
	if _, err := r.ReadAt(first, 0); err != nil {
		return "", fmt.Errorf("used blocks: %w", err)
	}
	if string(first[:4]) != xfs.Magic && !zero(first) {
		return "a partition table, a label or a boot loader at its start", nil
	}
	for _, f := range foreign {
		mark := make([]byte, len(f.mark))
		if f.offset+int64(len(mark)) > size {
			continue
		}
		if _, err := r.ReadAt(mark, f.offset); err != nil {
			return "", fmt.Errorf("used blocks: %w", err)
		}
		if string(mark) == f.mark {
			return f.what + " lies over it", nil
		}
	}
	return "", nil
}
