package s3

import (
	"errors"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/internal/overhttp"
)

// kind adds the contract's word to an error of the server or of the network.
func kind(err error, doing string) error {
	if err == nil {
		return nil
	}
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || answer.HTTPStatusCode() == 0 {
		return overhttp.Failure(doing, err)
	}
	status := answer.HTTPStatusCode()
	if status >= 200 && status < 300 {
		// Half an answer, or one that is not S3's.
		return overhttp.Refusal(doing, objstore.ErrUnavailable, "the answer cannot be read", status, nil)
	}
	var code string
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	return overhttp.Refusal(doing, word(code, status), hint(code), status, answer.Response.Header)
}

func word(code string, status int) error {
	switch code {
	case "NoSuchBucket":
		return objstore.ErrNoBucket
	case "ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "SlowDown", "Throttling", "ThrottlingException",
		"RequestLimitExceeded", "BandwidthLimitExceeded", "ServiceUnavailable", "InternalError":
		return objstore.ErrUnavailable // some of them with a status of 400 or 409
	case "ExpiredToken", "InvalidToken":
		return objstore.ErrForbidden
	}
	if status == http.StatusConflict {
		return overhttp.ErrRefused
	}
	return overhttp.Word(status)
}

// hint adds to codes that say too little.
func hint(code string) string {
	switch code {
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException":
		return code + ", the bucket is in another region"
	case "NotImplemented":
		return code + ", the server knows no conditional writes"
	case "RequestTimeTooSkewed":
		return code + ", the clocks of here and there differ"
	}
	return code
}
