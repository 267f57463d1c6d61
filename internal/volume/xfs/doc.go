// Package xfs tells which blocks of an XFS file system are in use.
package xfs

import (
	"context"
	"errors"
	"io"

	"holdfast.dev/holdfast/internal/volume/extent"
)

const Magic = "XFSB"

var ErrOther = errors.New("not an XFS file system")

type Unusable string

func (u Unusable) Error() string { return string(u) }

func Used(context.Context, io.ReaderAt, int64, *extent.Builder) error { return ErrOther }
