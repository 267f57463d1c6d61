package arm_test

import (
	"io"
	"net/http"
	"testing"
)

// A body that is no document arrives as it is; one that breaks off is not taken
// for a whole one.
func TestStream(t *testing.T) {
	w := newWorld(t)
	w.putBox("b1")
	fetch := func(query string) (*http.Response, string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+boxesAt+"/b1/table"+version+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer owner")
		resp, err := w.Client().Do(req)
		if err != nil {
			return nil, "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp, string(body), err
	}
	resp, body, err := fetch("")
	if err != nil || resp.StatusCode != 200 || body != "a,b\n" || resp.Header.Get("Content-Type") != "text/csv" {
		t.Errorf("%v %q, %v", resp, body, err)
	}
	if _, body, err := fetch("&broken=1"); err == nil {
		t.Errorf("the half came as a whole: %q", body)
	}
}
