package xfs

import "hash/crc32"

// recordSumOK checks a record of the log. The first header counts without its
// padding, which is longer where addresses are 8 bytes. mkfs writes no checksum.
func recordSumOK(header, data []byte) bool {
	stored := le.Uint32(header[32:])
	if stored == 0 {
		return true
	}
	for _, size := range []int{328, 324} {
		sum := crc32.Checksum(header[:32], castagnoli)
		sum = crc32.Update(sum, castagnoli, make([]byte, 4))
		sum = crc32.Update(sum, castagnoli, header[36:size])
		for i := 1; i*perHeader < len(data); i++ { // headers that the data needs
			sum = crc32.Update(sum, castagnoli, header[i*sector:i*sector+260])
		}
		if crc32.Update(sum, castagnoli, data) == stored {
			return true
		}
	}
	return false
}
