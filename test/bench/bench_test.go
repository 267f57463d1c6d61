package main

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"regexp"
	"testing"
)

var small = place{Objects: 2000, Entries: 2000, Points: 2000, Volume: 3<<20 + 100}

func prepared(t *testing.T) place {
	t.Helper()
	p := small
	p.Dir = t.TempDir()
	if err := p.prepare(); err != nil {
		t.Fatal(err)
	}
	return p
}

var line = regexp.MustCompile(`^bench [a-z-]+ [0-9.e+-]+ (MB/s|%|objects/s|s) ratio=[0-9]+\.[0-9]{2} peer=[a-z0-9+-]+ rss=[0-9]+$`)

// Every case still does its work, whatever it takes.
func TestEveryCasePrintsItsLine(t *testing.T) {
	p := prepared(t)
	s, err := newServer(p)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	defer server.Close()
	p.Server = server.URL
	for _, c := range cases {
		got, err := c.measure(t.Context(), p, here)
		if err != nil {
			t.Fatal(err)
		}
		if !line.MatchString(got) {
			t.Errorf("%q", got)
		}
	}
}

func TestDataIsTheSameEveryTime(t *testing.T) {
	one, two := prepared(t), prepared(t)
	for _, names := range [][2]string{{one.objects(), two.objects()}, {one.volume(), two.volume()}} {
		a, errA := os.ReadFile(names[0])
		b, errB := os.ReadFile(names[1])
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs: %v, %v", names[0], errA, errB)
		}
	}
}

func TestObjects(t *testing.T) {
	count, size, touched, last, touches := 0, 0, 0, "", touch(nextPoint)
	for r, err := range prepared(t).records() {
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(r.value)
		if touches(r) {
			touched++
		} else if !bytes.Equal(before, r.value) {
			t.Errorf("%s changed untouched", r.key)
		}
		if r.key <= last {
			t.Errorf("%s after %s", r.key, last)
		}
		count, size, last = count+1, size+len(r.value), r.key
	}
	if count != small.Objects || size/count < 1600 || size/count > 2400 || touched < count/200 || touched > count/50 {
		t.Errorf("%d objects of %d bytes, %d changed", count, size/count, touched)
	}
}

func TestRatioAndMedian(t *testing.T) {
	values := []float64{5, 1, 3, 9, 2, 7}
	next := func(context.Context, string, place) (figure, error) {
		v := values[0]
		values = values[1:]
		return figure{Value: v, RSS: int64(v * 1e6)}, nil
	}
	c := benchmark{name: "n", unit: "%", peer: "p", limit: mapAndSort, less: true}
	got, err := c.measure(t.Context(), place{}, next)
	if want := "bench n 3 % ratio=3.00 peer=p rss=5"; err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

func TestPeakMemory(t *testing.T) {
	if n, err := peakMemory("self"); err != nil || n < 1<<20 || n > 1<<36 {
		t.Errorf("%d, %v", n, err)
	}
}
