// Package s3 keeps a bucket in Amazon S3 or a server compatible with it. It
// relies on conditional writes (If-None-Match: *), which location.Check tries
// on a server before anything is entrusted to it.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/internal/overhttp"
)

// Options name a bucket and how to sign in.
type Options struct {
	Bucket string
	Region string // such as eu-central-1; empty means us-east-1
	// Endpoint is the address of a compatible server, such as
	// https://minio.example:9000, where buckets are named in the path; empty
	// means Amazon's own for the region.
	Endpoint  string
	AccessKey string
	SecretKey string
	// PageSize is the number of objects asked for in one page of a listing;
	// 0 leaves it to the server.
	PageSize int32
}

// Store is an S3 bucket. It is safe for concurrent use.
type Store struct {
	client   *s3.Client
	bucket   *string
	pageSize *int32
}

// New returns a store; the bucket is not contacted.
func New(o Options) (*Store, error) {
	if o.Bucket == "" || o.AccessKey == "" || o.SecretKey == "" {
		return nil, errors.New("an S3 store needs a bucket, an access key and a secret key")
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	keys := aws.Credentials{AccessKeyID: o.AccessKey, SecretAccessKey: o.SecretKey}
	options := s3.Options{
		Region:      o.Region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil }),
		HTTPClient:  overhttp.Client(),
		Retryer:     aws.NopRetryer{}, // wrap.Retry does
		// Checksums of the SDK's own would be unknown to many servers; every
		// byte is checked against its name by those who read it.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if o.Endpoint != "" {
		options.BaseEndpoint, options.UsePathStyle = &o.Endpoint, true
	}
	s := &Store{client: s3.New(options), bucket: &o.Bucket}
	if o.PageSize > 0 {
		s.pageSize = &o.PageSize
	}
	return s, nil
}

// Exists makes sure that the bucket is there: objstore.ErrNoBucket when not.
func (s *Store) Exists(ctx context.Context) error {
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: s.bucket})
	if err = kind(err, "look for bucket "+*s.bucket); errors.Is(err, objstore.ErrNotFound) {
		return fmt.Errorf("%w: %s", objstore.ErrNoBucket, *s.bucket)
	}
	return err
}

// Put writes a new object in one request; see objstore.Store.
func (s *Store) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := objstore.CheckName(name); err != nil {
		return err
	}
	body := overhttp.NewBody(r, size)
	in := &s3.PutObjectInput{Bucket: s.bucket, Key: &name, IfNoneMatch: aws.String("*"), ContentLength: &size}
	send := v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware
	if size > 0 {
		send = framed{body, size}.add
	} else if err := body.Empty(); err != nil {
		return fmt.Errorf("write object %s: %w", name, err)
	}
	_, err := s.client.PutObject(ctx, in, s3.WithAPIOptions(send))
	if err != nil && body.Err() != nil {
		return fmt.Errorf("write object %s: %w", name, body.Err())
	}
	return kind(err, "write object "+name)
}

// Get reads a range of an object; see objstore.Store.
func (s *Store) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := objstore.CheckName(name); err != nil {
		return nil, err
	}
	return overhttp.Get(ctx, s, name, offset, length)
}

// Fetch reads a range as HTTP has it; see overhttp.Objects.
func (s *Store) Fetch(ctx context.Context, name string, offset, length int64) (overhttp.Answer, error) {
	in := &s3.GetObjectInput{Bucket: s.bucket, Key: &name}
	if header := overhttp.Header(offset, length); header != "" {
		in.Range = &header
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		return overhttp.Answer{}, kind(err, "read object "+name)
	}
	size := int64(-1)
	if out.ContentLength != nil {
		size = *out.ContentLength
	}
	return overhttp.Answer{Body: out.Body, Size: size, Range: aws.ToString(out.ContentRange)}, nil
}

// Stat describes an object; see objstore.Store.
func (s *Store) Stat(ctx context.Context, name string) (objstore.Info, error) {
	if err := objstore.CheckName(name); err != nil {
		return objstore.Info{}, err
	}
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: s.bucket, Key: &name})
	if err = kind(err, "stat object "+name); err != nil {
		return objstore.Info{}, s.absent(ctx, err)
	}
	if out.ContentLength == nil {
		return objstore.Info{}, fmt.Errorf("stat object %s: %w: the server told no length", name, objstore.ErrUnavailable)
	}
	return objstore.Info{Name: name, Size: *out.ContentLength}, nil
}

// absent asks for the bucket when an object is not found: the answer to HEAD
// has no room to say which of the two is missing.
func (s *Store) absent(ctx context.Context, err error) error {
	if !errors.Is(err, objstore.ErrNotFound) {
		return err
	}
	if lost := s.Exists(ctx); lost != nil {
		return lost
	}
	return err
}

// Delete removes an object; see objstore.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := objstore.CheckName(name); err != nil {
		return err
	}
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: s.bucket, Key: &name})
	if err = kind(err, "delete object "+name); errors.Is(err, objstore.ErrNotFound) {
		return nil
	}
	return err
}

// List yields objects page by page; see objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return overhttp.List(prefix, func(token string) (overhttp.Page, error) {
		in := &s3.ListObjectsV2Input{Bucket: s.bucket, Prefix: &prefix, MaxKeys: s.pageSize}
		if token != "" {
			in.ContinuationToken = &token
		}
		out, err := s.client.ListObjectsV2(ctx, in)
		if err != nil {
			return overhttp.Page{}, kind(err, fmt.Sprintf("list %q", prefix))
		}
		if out.Name == nil || out.IsTruncated == nil {
			// The SDK takes an empty answer for an empty listing.
			return overhttp.Page{}, fmt.Errorf("list %q: %w: the answer is no listing", prefix, objstore.ErrUnavailable)
		}
		page := overhttp.Page{More: *out.IsTruncated, Next: aws.ToString(out.NextContinuationToken)}
		for _, o := range out.Contents {
			if o.Key == nil || o.Size == nil {
				return overhttp.Page{}, fmt.Errorf("list %q: %w: an object without name or size", prefix, objstore.ErrUnavailable)
			}
			page.Objects = append(page.Objects, objstore.Info{Name: *o.Key, Size: *o.Size})
		}
		return page, nil
	})
}
