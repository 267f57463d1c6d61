package azblob

import (
	"errors"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/internal/overhttp"
)

// kind adds the contract's word to an error of the service or of the network.
func kind(err error, doing string) error {
	if err == nil {
		return nil
	}
	answer, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return overhttp.Failure(doing, err)
	}
	var header http.Header
	if answer.RawResponse != nil {
		header = answer.RawResponse.Header
	}
	return overhttp.Refusal(doing, word(answer), answer.ErrorCode, answer.StatusCode, header)
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
	if answer.StatusCode == http.StatusConflict {
		return objstore.ErrExists
	}
	return overhttp.Word(answer.StatusCode)
}
