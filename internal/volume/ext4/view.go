package ext4

import "io"

// view is the file system as a mount would see it: the device, and over it
// the blocks that the journal holds newer versions of.
type view struct {
	device    io.ReaderAt
	blockSize int64
	blocks    int64
	log       *journal           // none without recovery
	newer     map[int64]logBlock // by block of the file system
}

// block reads one block into p, which has its size.
func (v *view) block(number int64, p []byte) error {
	if number < 0 || number >= v.blocks {
		return unusable("block %d of %d", number, v.blocks)
	}
	if at, ok := v.newer[number]; ok {
		return v.log.content(at, p)
	}
	return readFull(v.device, p[:v.blockSize], number*v.blockSize)
}
