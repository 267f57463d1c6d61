package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Status is what a long-running operation says of itself.
type Status struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Status     string          `json:"status"`
	Properties json.RawMessage `json:"properties,omitempty"`
	Error      *body           `json:"error,omitempty"`
}

// JobID returns the full ARM id of the job the operation started, or "".
func (s *Status) JobID() string {
	var p struct {
		JobID string `json:"jobId"`
	}
	if s == nil || json.Unmarshal(s.Properties, &p) != nil {
		return ""
	}
	return p.JobID
}

// Reasons says in sentences what the operation waits for; none where nothing
// stands in its way, or nobody has said so.
func (s *Status) Reasons() []string {
	var p struct {
		Statuses []struct{ Level, Message string } `json:"statuses"`
	}
	if s == nil || json.Unmarshal(s.Properties, &p) != nil {
		return nil
	}
	var reasons []string
	for _, status := range p.Statuses {
		if status.Level == "Error" {
			reasons = append(reasons, status.Message)
		}
	}
	return reasons
}

func (s *Status) done() bool {
	switch strings.ToLower(s.Status) {
	case "succeeded", "failed", "canceled", "cancelled":
		return true
	}
	return false
}

// Wait follows the operation that first started until it ends and returns its
// last status and its result, which is empty when it has none. each, when not
// nil, is called with every status seen. An operation that failed is an *Error.
// Answers that started no operation are returned as they are.
func (c *Client) Wait(ctx context.Context, first *Response, each func(*Status)) (*Status, json.RawMessage, error) {
	next := first.Header.Get("Azure-AsyncOperation")
	if next == "" {
		return nil, first.Body, nil
	}
	location := first.Header.Get("Location")
	pause := retryAfter(first.Header)
	for {
		status, header, err := c.status(ctx, next)
		if err != nil {
			return nil, nil, err
		}
		if each != nil {
			each(status)
		}
		if status.done() {
			body, err := c.finish(ctx, status, location)
			return status, body, err
		}
		pause = min(pause, retryAfter(header))
		if err := sleep(ctx, pause); err != nil {
			return status, nil, fmt.Errorf("waiting for operation %s: %w", status.Name, err)
		}
	}
}

func (c *Client) status(ctx context.Context, next string) (*Status, http.Header, error) {
	resp, err := c.Do(ctx, http.MethodGet, next, "", nil)
	if err != nil {
		return nil, nil, err
	}
	var s Status
	if err := json.Unmarshal(resp.Body, &s); err != nil {
		return nil, nil, fmt.Errorf("operation status: %w", err)
	}
	return &s, resp.Header, nil
}

func (c *Client) finish(ctx context.Context, s *Status, location string) (json.RawMessage, error) {
	if !strings.EqualFold(s.Status, "Succeeded") {
		if s.Error != nil {
			return nil, s.Error.toError()
		}
		return nil, &Error{Message: "the operation ended as " + s.Status}
	}
	if location == "" {
		return nil, nil
	}
	resp, err := c.Do(ctx, http.MethodGet, location, "", nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// retryAfter is how long to wait before the next look: what the service asks
// for, but at most 2 s, because people are watching and a status is cheap.
func retryAfter(h http.Header) time.Duration {
	const most = 2 * time.Second
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 1 {
		return 500 * time.Millisecond
	}
	return min(time.Duration(n)*time.Second, most)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// List yields the items of every page of a list. An error ends the sequence.
func (c *Client) List(ctx context.Context, path, version string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for path != "" {
			resp, err := c.Do(ctx, http.MethodGet, path, version, nil)
			if err != nil {
				yield(nil, err)
				return
			}
			var page struct {
				Value    []json.RawMessage `json:"value"`
				NextLink string            `json:"nextLink"`
			}
			if err := json.Unmarshal(resp.Body, &page); err != nil {
				yield(nil, fmt.Errorf("page of %s: %w", path, err))
				return
			}
			for _, item := range page.Value {
				if !yield(item, nil) {
					return
				}
			}
			path, version = page.NextLink, ""
		}
	}
}
