// Package azblob keeps a bucket in an Azure Blob container, on Azure or on an
// emulator, with a storage account key.
package azblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/internal/overhttp"
)

// Options name a container and how to sign in.
type Options struct {
	// URL is the container's: https://account.blob.core.windows.net/container,
	// or http://127.0.0.1:10000/account/container for an emulator.
	URL     string
	Account string // storage account name
	Key     string // account key, base64
	// PageSize is the number of objects asked for in one page of a listing;
	// 0 leaves it to the service.
	PageSize int32
}

// Store is a container used as a bucket. It is safe for concurrent use.
type Store struct {
	client   *container.Client
	pageSize *int32
}

// New returns a store; the container is not contacted.
func New(o Options) (*Store, error) {
	if u, err := url.Parse(o.URL); err != nil || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return nil, errors.New("container URL is not https://host/container") // err may quote a secret in the URL
	}
	credential, err := container.NewSharedKeyCredential(o.Account, o.Key)
	if err != nil {
		return nil, fmt.Errorf("storage account key of %s is not base64", o.Account) // err may quote it
	}
	client, err := container.NewClientWithSharedKeyCredential(strings.TrimSuffix(o.URL, "/"), credential,
		&container.ClientOptions{ClientOptions: azcore.ClientOptions{
			Retry:     policy.RetryOptions{MaxRetries: -1}, // wrap.Retry does
			Transport: overhttp.Client(),
		}})
	if err != nil {
		return nil, fmt.Errorf("container client: %w", err)
	}
	s := &Store{client: client}
	if o.PageSize > 0 {
		s.pageSize = &o.PageSize
	}
	return s, nil
}

// Create makes the container; objstore.ErrExists when there is one.
func (s *Store) Create(ctx context.Context) error {
	_, err := s.client.Create(ctx, nil)
	return kind(err, "create container")
}

// Put writes a new object in one request; see objstore.Store.
func (s *Store) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := objstore.CheckName(name); err != nil {
		return err
	}
	body := overhttp.NewBody(r, size)
	if size == 0 {
		if err := body.Empty(); err != nil {
			return fmt.Errorf("write object %s: %w", name, err)
		}
	}
	_, err := s.client.NewBlockBlobClient(name).Upload(ctx, body, &blockblob.UploadOptions{
		AccessConditions: &blob.AccessConditions{
			ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}},
	})
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
	answer, err := s.client.NewBlobClient(name).DownloadStream(ctx, &blob.DownloadStreamOptions{
		Range: blob.HTTPRange{Offset: offset, Count: max(length, 0)}, // 0 means to the end
	})
	if err != nil {
		return overhttp.Answer{}, kind(err, "read object "+name)
	}
	size := int64(-1)
	if answer.ContentLength != nil {
		size = *answer.ContentLength
	}
	return overhttp.Answer{Body: answer.Body, Size: size, Range: deref(answer.ContentRange)}, nil
}

// Stat describes an object; see objstore.Store.
func (s *Store) Stat(ctx context.Context, name string) (objstore.Info, error) {
	if err := objstore.CheckName(name); err != nil {
		return objstore.Info{}, err
	}
	p, err := s.client.NewBlobClient(name).GetProperties(ctx, nil)
	if err != nil {
		return objstore.Info{}, kind(err, "stat object "+name)
	}
	return objstore.Info{Name: name, Size: deref(p.ContentLength)}, nil
}

// Delete removes an object; see objstore.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := objstore.CheckName(name); err != nil {
		return err
	}
	_, err := s.client.NewBlobClient(name).Delete(ctx, nil)
	err = kind(err, "delete object "+name)
	if errors.Is(err, objstore.ErrNotFound) {
		return nil
	}
	return err
}

// List yields objects page by page; see objstore.Store. A listing that does not
// come in order is an error: then it could not be told from one with gaps.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		pager := s.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix, MaxResults: s.pageSize})
		last := ""
		for pager.More() {
			page, err := pager.NextPage(ctx)
			if err != nil {
				yield(objstore.Info{}, kind(err, fmt.Sprintf("list %q", prefix)))
				return
			}
			for _, item := range page.Segment.BlobItems {
				info := objstore.Info{Name: deref(item.Name), Size: deref(item.Properties.ContentLength)}
				if info.Name <= last {
					yield(objstore.Info{}, fmt.Errorf("list %q: %q was listed after %q", prefix, info.Name, last))
					return
				}
				last = info.Name
				if !yield(info, nil) {
					return
				}
			}
		}
	}
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
