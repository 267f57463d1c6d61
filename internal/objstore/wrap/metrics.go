package wrap

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/objstore"
)

// Metrics count what stores are asked and how they answer, for Prometheus.
type Metrics struct {
	clock    clock.Clock
	requests *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// NewMetrics returns metrics that r shows. They sit inside of Retry, so that
// every attempt counts.
func NewMetrics(r prometheus.Registerer, c clock.Clock) *Metrics {
	m := &Metrics{
		clock: c,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_store_requests_total", Help: "Calls of object stores, by operation and outcome; retries count.",
		}, []string{"operation", "outcome"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_store_bytes_total", Help: "Content that went to (put) and came from (get) object stores.",
		}, []string{"operation"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "holdfast_store_duration_seconds", Help: "Time of a call of an object store; of a get, until its body is closed.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 10),
		}, []string{"operation"}),
	}
	r.MustRegister(m.requests, m.bytes, m.seconds)
	return m
}

// Store returns store with its calls counted.
func (m *Metrics) Store(store objstore.Store) objstore.Store { return counted{store, m} }

// outcome is the label of an error.
func outcome(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{nil, "ok"}, {context.Canceled, "cancelled"}, {context.DeadlineExceeded, "cancelled"}, {objstore.ErrUnavailable, "unavailable"},
		{objstore.ErrNotFound, "not-found"}, {objstore.ErrExists, "exists"}, {objstore.ErrForbidden, "forbidden"},
		{objstore.ErrNoBucket, "no-bucket"}, {objstore.ErrRange, "range"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return "error"
}

func (m *Metrics) note(operation string, began time.Time, bytes int64, err error) {
	m.requests.WithLabelValues(operation, outcome(err)).Inc()
	m.seconds.WithLabelValues(operation).Observe(m.clock.Now().Sub(began).Seconds())
	if bytes > 0 {
		m.bytes.WithLabelValues(operation).Add(float64(bytes))
	}
}

type counted struct {
	store   objstore.Store
	metrics *Metrics
}

// Put writes.
func (s counted) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	began, content := s.metrics.clock.Now(), &tally{r: r}
	err := s.store.Put(ctx, name, content, size)
	s.metrics.note("put", began, content.n, err)
	return err
}

// tally counts what is read.
type tally struct {
	r   io.Reader
	n   int64
	err error // that ended it, if any
}

// Read reads and counts.
func (t *tally) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}

// Get reads; the body is noted when it is closed.
func (s counted) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	began := s.metrics.clock.Now()
	body, err := s.store.Get(ctx, name, offset, length)
	if err != nil {
		s.metrics.note("get", began, 0, err)
		return nil, err
	}
	return &countedBody{tally{r: body}, body, s.metrics, began}, nil
}

type countedBody struct {
	tally
	body    io.Closer
	metrics *Metrics
	began   time.Time
}

// Close notes the read, once.
func (b *countedBody) Close() error {
	if b.metrics != nil {
		b.metrics.note("get", b.began, b.n, b.err)
		b.metrics = nil
	}
	return b.body.Close()
}

// Stat describes.
func (s counted) Stat(ctx context.Context, name string) (objstore.Info, error) {
	began := s.metrics.clock.Now()
	info, err := s.store.Stat(ctx, name)
	s.metrics.note("stat", began, 0, err)
	return info, err
}

// Delete removes.
func (s counted) Delete(ctx context.Context, name string) error {
	began := s.metrics.clock.Now()
	err := s.store.Delete(ctx, name)
	s.metrics.note("delete", began, 0, err)
	return err
}

// List lists; it is noted at its end.
func (s counted) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		began, last := s.metrics.clock.Now(), error(nil)
		defer func() { s.metrics.note("list", began, 0, last) }()
		for info, err := range s.store.List(ctx, prefix) {
			if last = err; !yield(info, err) {
				return
			}
		}
	}
}
