package azblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"holdfast.dev/holdfast/internal/objstore"
)

// kind adds the contract's word to an error of the service or of the network.
// The service's own text is cut down to its code: it is long, and holds the
// address and headers of the request.
func kind(err error, doing string) error {
	if err == nil {
		return nil
	}
	if answer, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return fmt.Errorf("%s: %w: %s (HTTP %d)", doing, word(answer), answer.ErrorCode, answer.StatusCode)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	var network net.Error
	if errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w: %w", doing, objstore.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func word(answer *azcore.ResponseError) error {
	switch bloberror.Code(answer.ErrorCode) {
	case bloberror.ContainerNotFound, bloberror.ContainerDisabled:
		return objstore.ErrNoBucket
	case bloberror.ContainerBeingDeleted, bloberror.AccountBeingCreated:
		return objstore.ErrUnavailable
	case bloberror.BlobImmutableDueToPolicy, bloberror.AccountIsDisabled:
		return objstore.ErrForbidden
	case bloberror.InvalidRange:
		return objstore.ErrRange
	}
	switch code := answer.StatusCode; {
	case code == http.StatusNotFound:
		return objstore.ErrNotFound
	case code == http.StatusConflict, code == http.StatusPreconditionFailed:
		return objstore.ErrExists
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return objstore.ErrForbidden
	case code == http.StatusRequestedRangeNotSatisfiable:
		return objstore.ErrRange
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return objstore.ErrUnavailable
	}
	return errRefused
}

// errRefused is any other refusal; the code in the text says which.
var errRefused = errors.New("request refused")

// reader gives a broken body the contract's word.
type reader struct{ io.ReadCloser }

// Read reads on.
func (r reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = kind(err, "read body")
	}
	return n, err
}
