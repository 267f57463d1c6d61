package s3

import (
	"context"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// framed sends a body so that its end can be seen: as one chunk, followed by an
// empty one and a checksum. Some servers take a connection that ends in the
// middle of a plain body for the body's end, and keep half an object. The SDK
// has this for HTTPS only. The content is not read twice to sign it, and so
// never held.
type framed struct {
	body io.Reader
	size int64
}

const (
	framedPayload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	framedSum     = "x-amz-checksum-crc32"
)

// add puts the step in front of the one that would name the payload's hash.
func (f framed) add(stack *middleware.Stack) error {
	return stack.Finalize.Insert(f, "ComputePayloadHash", middleware.Before)
}

// ID names the step.
func (framed) ID() string { return "FramedBody" }

// HandleFinalize replaces the body of the request.
func (f framed) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	req, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, fmt.Errorf("unexpected request %T", in.Request)
	}
	stream, size := frame(f.body, f.size)
	req, err := req.SetStream(stream)
	if err != nil {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, fmt.Errorf("set the body: %w", err)
	}
	req.ContentLength = size
	req.Header.Set("Content-Encoding", "aws-chunked")
	req.Header.Set("X-Amz-Decoded-Content-Length", strconv.FormatInt(f.size, 10))
	req.Header.Set("X-Amz-Trailer", framedSum)
	in.Request = req
	return next.HandleFinalize(v4.SetPayloadHash(ctx, framedPayload), in)
}

// frame returns the framed body and its size in bytes.
func frame(body io.Reader, size int64) (all io.Reader, framedSize int64) {
	head := strconv.FormatInt(size, 16) + "\r\n"
	sum := crc32.NewIEEE()
	all = io.MultiReader(strings.NewReader(head), io.TeeReader(body, sum), &trailer{sum: sum})
	return all, int64(len(head)) + size + int64(len(trailing(sum)))
}

// trailer is what follows the content; it is known when that was read.
type trailer struct {
	sum  hash.Hash32
	text io.Reader
}

// Read gives the trailer.
func (t *trailer) Read(p []byte) (int, error) {
	if t.text == nil {
		t.text = strings.NewReader(trailing(t.sum))
	}
	return t.text.Read(p)
}

// trailing ends the chunk, and then the body; its length is always the same.
func trailing(sum hash.Hash32) string {
	return "\r\n0\r\n" + framedSum + ":" + base64.StdEncoding.EncodeToString(sum.Sum(nil)) + "\r\n\r\n"
}
