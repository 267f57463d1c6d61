package objstore

import "time"

// Later is an ErrUnavailable of a store that said when to come back.
type Later struct {
	After time.Duration // since the answer
	Err   error         // wraps ErrUnavailable
}

// Error is the error's own text.
func (l *Later) Error() string { return l.Err.Error() }

// Unwrap returns the error.
func (l *Later) Unwrap() error { return l.Err }
