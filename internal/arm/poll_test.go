package arm_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/policy"
	armruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	azpolicy "github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/operations"
)

// name is a credential for the test's Authenticator.
type name string

func (n name) GetToken(context.Context, azpolicy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(n), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// pipeline is azcore's ARM pipeline, as every generated client uses it.
func (w *world) pipeline(as string) runtime.Pipeline {
	w.t.Helper()
	p, err := armruntime.NewPipeline("test", "v1", name(as), runtime.PipelineOptions{}, &policy.ClientOptions{
		DisableRPRegistration: true,
		ClientOptions: azpolicy.ClientOptions{
			Transport: w.Client(),
			Retry:     azpolicy.RetryOptions{MaxRetries: -1},
			Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: w.URL, Audience: w.URL}}},
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) begin(p runtime.Pipeline, method, path, body string) *http.Response {
	w.t.Helper()
	req, err := runtime.NewRequest(w.t.Context(), method, w.URL+path)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Raw().Header.Set("Accept", "application/json")
	if body != "" {
		if err := runtime.MarshalAsJSON(req, json.RawMessage(body)); err != nil {
			w.t.Fatal(err)
		}
	}
	resp, err := p.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	if !runtime.HasStatusCode(resp, 200, 201, 202, 204) {
		w.t.Fatal(runtime.NewResponseError(resp))
	}
	return resp
}

// end ends the only operation in progress, a moment from now.
func (w *world) end(fn func(tx catalog.Tx, id string) error) {
	time.AfterFunc(20*time.Millisecond, func() {
		err := w.store.Update(context.Background(), func(tx catalog.Tx) error {
			docs, err := tx.List(catalog.Query{Kind: operations.Kind})
			if err != nil {
				return err
			}
			for _, d := range docs {
				if err := fn(tx, d.ID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			w.t.Error(err)
		}
	})
}

func poll[T any](w *world, resp *http.Response, p runtime.Pipeline, via runtime.FinalStateVia) (T, error) {
	w.t.Helper()
	poller, err := runtime.NewPoller[T](resp, p, &runtime.NewPollerOptions[T]{FinalStateVia: via})
	if err != nil {
		w.t.Fatal(err)
	}
	return poller.PollUntilDone(w.t.Context(), &runtime.PollUntilDoneOptions{Frequency: time.Second})
}

func TestPutWithAzcorePoller(t *testing.T) {
	for _, via := range []runtime.FinalStateVia{runtime.FinalStateViaAzureAsyncOp, runtime.FinalStateViaLocation, runtime.FinalStateViaOriginalURI} {
		w := newWorld(t)
		p := w.pipeline("owner")
		resp := w.begin(p, "PUT", boxesAt+"/b1"+version, `{"properties":{"size":3}}`)
		w.end(func(tx catalog.Tx, id string) error { return operations.Succeed(tx, w.clock.Now(), id, nil) })
		got, err := poll[box](w, resp, p, via)
		if err != nil || (via != runtime.FinalStateViaAzureAsyncOp && got.ID != boxesAt+"/b1") {
			t.Errorf("via %s: %+v, %v", via, got, err)
		}
	}
}

func TestActionWithAzcorePoller(t *testing.T) {
	w := newWorld(t)
	w.putBox("b1")
	p := w.pipeline("owner")
	resp := w.begin(p, "POST", boxesAt+"/b1/shake"+version, "")
	if resp.StatusCode != 202 || resp.ContentLength != 0 || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("%d, length %d, %v", resp.StatusCode, resp.ContentLength, resp.Header)
	}
	job := boxesAt + "/b1/jobs/1"
	w.end(func(tx catalog.Tx, id string) error {
		return operations.Succeed(tx, w.clock.Now(), id, operations.JobInfo(job))
	})
	got, err := poll[struct{ ObjectType, JobID string }](w, resp, p, runtime.FinalStateViaLocation)
	if err != nil || got.JobID != job || got.ObjectType != "OperationJobExtendedInfo" {
		t.Errorf("%+v, %v", got, err)
	}
}

// Some clients look at Location alone.
func TestActionPolledByLocationOnly(t *testing.T) {
	w := newWorld(t)
	w.putBox("b1")
	p := w.pipeline("owner")
	resp := w.begin(p, "POST", boxesAt+"/b1/shake"+version, "")
	resp.Header.Del("Azure-AsyncOperation")
	w.end(func(tx catalog.Tx, id string) error { return operations.Succeed(tx, w.clock.Now(), id, nil) })
	if _, err := poll[struct{}](w, resp, p, ""); err != nil {
		t.Error(err)
	}
}

func TestFailureReachesTheClient(t *testing.T) {
	w := newWorld(t)
	w.putBox("b1")
	p := w.pipeline("owner")
	resp := w.begin(p, "POST", boxesAt+"/b1/shake"+version, "")
	location := strings.TrimPrefix(resp.Header.Get("Location"), w.URL)
	w.end(func(tx catalog.Tx, id string) error {
		return operations.Fail(tx, w.clock.Now(), id, operations.Problem{Code: "BoxTooOld", Message: "It broke.", UserError: true, Actions: []string{"Buy a new one."}})
	})
	_, err := poll[struct{}](w, resp, p, runtime.FinalStateViaLocation)
	var failure *azcore.ResponseError
	if !errors.As(err, &failure) || failure.ErrorCode != "BoxTooOld" || !strings.Contains(err.Error(), "It broke.") {
		t.Errorf("got %v", err)
	}
	if a := w.do("owner", "GET", location, ""); a.StatusCode != 400 || a.code(t) != "BoxTooOld" || !strings.Contains(a.body, "Buy a new one.") {
		t.Errorf("result: %d %s", a.StatusCode, a.body)
	}
}

func TestDeleteWithAzcorePoller(t *testing.T) {
	w := newWorld(t)
	w.putBox("b1")
	p := w.pipeline("owner")
	resp := w.begin(p, "DELETE", boxesAt+"/b1"+version, "")
	if resp.Header.Get("Retry-After") != "1" {
		t.Error("a client will wait its own long time for what is over")
	}
	if _, err := poll[struct{}](w, resp, p, runtime.FinalStateViaLocation); err != nil {
		t.Error(err)
	}
	if resp := w.begin(p, "DELETE", boxesAt+"/b1"+version, ""); resp.StatusCode != 204 {
		t.Errorf("second delete: %d", resp.StatusCode)
	}
}

func TestStatusDocument(t *testing.T) {
	w := newWorld(t)
	w.putBox("b1")
	a := w.do("owner", "POST", boxesAt+"/b1/shake"+version, "")
	status := strings.TrimPrefix(a.Header.Get("Azure-AsyncOperation"), w.URL)
	path, _, _ := strings.Cut(status, "?")
	id := path[strings.LastIndex(path, "/")+1:]
	got := w.do("owner", "GET", status, "").body
	want := `{"id":"/subscriptions/s1/providers/Contoso.Widgets/locations/west/operationStatus/` + id + `","name":"` + id +
		`","status":"Inprogress","startTime":"2026-01-02T03:04:05.0000006Z","endTime":"0001-01-01T00:00:00Z",` +
		`"properties":{"objectType":"OperationJobExtendedInfo","jobId":"` + boxesAt + `/b1/jobs/1"}}` + "\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	result := w.do("owner", "GET", strings.TrimPrefix(a.Header.Get("Location"), w.URL), "")
	for _, h := range []string{"Location", "Azure-AsyncOperation", "Retry-After"} {
		if result.StatusCode != 202 || result.Header.Get(h) != a.Header.Get(h) {
			t.Errorf("%d %s: %q, want %q", result.StatusCode, h, result.Header.Get(h), a.Header.Get(h))
		}
	}
}

func TestWhoMaySeeAnOperation(t *testing.T) {
	w := newWorld(t)
	status := strings.TrimPrefix(w.putBox("b1").Header.Get("Azure-AsyncOperation"), w.URL)
	_, id, _ := strings.Cut(status, "operationStatus/")
	place := "/subscriptions/s1/providers/Contoso.Widgets/locations/"
	for _, c := range []struct {
		as, path string
		want     int
	}{
		{"owner", status, 200}, {"reader", status, 200}, {"one", status, 200}, {"group2", status, 403}, {"", status, 401},
		{"owner", place + "WEST/operationStatus/" + id, 200},
		{"owner", place + "east/operationStatus/" + id, 404},
		{"owner", strings.Replace(place, "s1", "s2", 1) + "west/operationStatus/" + id, 404},
		{"owner", "/subscriptions/s1/resourceGroups/rg1/providers/Contoso.Widgets/operationStatus/" + id, 200},
		{"owner", "/subscriptions/s1/resourceGroups/rg2/providers/Contoso.Widgets/operationStatus/" + id, 404},
		{"owner", strings.Replace(status, "/b1/", "/b2/", 1), 404},
	} {
		if a := w.do(c.as, "GET", c.path, ""); a.StatusCode != c.want {
			t.Errorf("%s %s: %d %s", c.as, c.path, a.StatusCode, a.body)
		}
	}
}
