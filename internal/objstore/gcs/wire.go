package gcs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/internal/overhttp"
)

// object is what the API tells of one.
type object struct {
	Name string `json:"name"`
	Size string `json:"size"` // decimal
}

func (o object) info(doing string) (objstore.Info, error) {
	size, err := strconv.ParseInt(o.Size, 10, 64)
	if err != nil || size < 0 || o.Name == "" {
		return objstore.Info{}, fmt.Errorf("%s: %w: an object without name or size", doing, objstore.ErrUnavailable)
	}
	return objstore.Info{Name: o.Name, Size: size}, nil
}

// listing is one page of objects.
type listing struct {
	Kind  string   `json:"kind"`
	Next  string   `json:"nextPageToken"`
	Items []object `json:"items"`
}

// refusal is the document of an error.
type refusal struct {
	Error struct {
		Errors []struct {
			Reason string `json:"reason"`
		} `json:"errors"`
	} `json:"error"`
}

func (s *Store) path(below string) string { return "/storage/v1/b/" + url.PathEscape(s.bucket) + below }

func (s *Store) objects(below string, query url.Values) string {
	return s.endpoint + s.path(below) + "?" + query.Encode()
}

// object is the address of one; "/" in its name is escaped.
func (s *Store) object(name string) string { return s.endpoint + s.path("/o/"+url.PathEscape(name)) }

// send makes a request and returns its answer when that is a success.
func (s *Store) send(ctx context.Context, doing, method, address string, fill func(*http.Request)) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if fill != nil {
		fill(request)
	}
	if s.signer != nil {
		token, err := s.signer.token()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, overhttp.Failure(doing, err)
	}
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return answer, nil
	}
	defer answer.Body.Close()
	return nil, refused(doing, answer)
}

// refused is the error of an answer that is no success.
func refused(doing string, answer *http.Response) error {
	word, code := overhttp.Word(answer.StatusCode), "unknown"
	var document refusal
	// Without a document the status has to do; not every proxy sends one.
	_ = json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&document)
	if len(document.Error.Errors) > 0 {
		code = document.Error.Errors[0].Reason
	}
	switch code {
	case "rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "backendError":
		word = objstore.ErrUnavailable // also with a status of 403
	}
	return overhttp.Refusal(doing, word, code, answer.StatusCode, answer.Header)
}

// read makes a request for a document.
func (s *Store) read(ctx context.Context, doing, address string, into any) error {
	answer, err := s.send(ctx, doing, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	return decode(answer, doing, into)
}

// maxDocument bounds an answer: a page has at most 1000 names.
const maxDocument = 8 << 20

func decode(answer *http.Response, doing string, into any) error {
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument))
	if err != nil {
		return overhttp.Failure(doing, err)
	}
	if json.Unmarshal(data, into) != nil {
		return overhttp.Refusal(doing, objstore.ErrUnavailable, "the answer cannot be read", answer.StatusCode, nil)
	}
	return nil
}
