package console

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"holdfast.dev/holdfast/client"
)

// Call sends one request and, unless --no-wait was given, follows the
// operation it starts. It returns the result, or the resource itself where a
// PUT or PATCH gives none.
func (c *Console) Call(ctx context.Context, method, path, version string, body any) (json.RawMessage, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	resp, err := cl.Do(ctx, method, path, version, body)
	if err != nil || c.NoWait {
		if resp == nil {
			return nil, err
		}
		return resp.Body, err
	}
	status, result, err := cl.Wait(ctx, resp, c.operationProgress())
	if err != nil {
		return nil, err
	}
	if status != nil && len(result) == 0 && (method == http.MethodPut || method == http.MethodPatch) {
		return c.Get(ctx, path, version)
	}
	return result, nil
}

// Get reads one resource.
func (c *Console) Get(ctx context.Context, path, version string) (json.RawMessage, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	resp, err := cl.Do(ctx, http.MethodGet, path, version, nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// List reads every page of a list.
func (c *Console) List(ctx context.Context, path, version string) ([]json.RawMessage, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	out := []json.RawMessage{}
	for item, err := range cl.List(ctx, path, version) {
		if err != nil {
			return nil, err
		}
		out = append(out, item)
	}
	return out, nil
}

func (c *Console) operationProgress() func(*client.Status) {
	spin := c.NewLine()
	return func(s *client.Status) {
		if reasons := s.Reasons(); len(reasons) > 0 {
			for i := range reasons {
				reasons[i] = strings.TrimSuffix(reasons[i], ".")
			}
			text := "Waiting: " + strings.Join(reasons, "; ")
			spin.Log(text, text)
			return
		}
		spin.Show("%s", s.Status)
	}
}
