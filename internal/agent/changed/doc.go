// Package changed asks a storage driver which blocks of a snapshot hold data,
// and which changed since an earlier one (KEP-3314).
//
//	Find:     SnapshotMetadataService object, token ── Access   (the controller, with its rights)
//	Allocated, Changed: Access ── gRPC ── ranges ── volume.Map  (a mover, without any)
//
// Not every driver has such a service, and some answers cannot be used. Every
// error but the end of the context means only that the volume is read without
// this knowledge: Unavailable carries the reason for the job's report.
package changed

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Kinds of what may be wrong, for errors.Is.
var (
	ErrNotOffered = errors.New("the driver offers no snapshot metadata")
	ErrBase       = errors.New("the base snapshot cannot be used")
	ErrRefused    = errors.New("access to snapshot metadata is refused")
	ErrAnswer     = errors.New("the driver's answer makes no sense")
	ErrBroken     = errors.New("the snapshot metadata service does not answer")
)

// Unavailable says why the storage does not tell.
type Unavailable struct {
	Kind error // one of the above
	Err  error // what happened; may be nil
}

// Error is the reason, for people.
func (u *Unavailable) Error() string {
	if u.Err == nil {
		return u.Kind.Error()
	}
	return u.Kind.Error() + ": " + u.Err.Error()
}

// Unwrap gives both.
func (u *Unavailable) Unwrap() []error { return []error{u.Kind, u.Err} }

func answer(format string, args ...any) error {
	return &Unavailable{ErrAnswer, fmt.Errorf(format, args...)}
}

// kindOf sorts the errors of calls. Sidecars that pass a driver's answer on as
// an internal error are repeated first, like a broken stream.
func kindOf(err error) (again bool, kind error) {
	switch status.Code(err) {
	case codes.NotFound, codes.FailedPrecondition, codes.InvalidArgument, codes.OutOfRange:
		return false, ErrBase
	case codes.Unimplemented:
		return false, ErrNotOffered
	case codes.Unauthenticated, codes.PermissionDenied:
		return false, ErrRefused
	}
	return true, ErrBroken
}
