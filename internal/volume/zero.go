package volume

// zeros is compared against.
var zeros [64 << 10]byte

// zero tells whether p holds nothing but zeros.
func zero(p []byte) bool {
	for len(p) > 0 {
		n := min(len(p), len(zeros))
		if string(p[:n]) != string(zeros[:n]) { // compares without copying
			return false
		}
		p = p[n:]
	}
	return true
}
