package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
)

// rounds of each case. Work and limit alternate, so that whatever else the
// machine does meets both.
const rounds = 3

// measurement does something in a place and returns how much of it per second,
// in its case's unit.
type measurement func(ctx context.Context, p place) (float64, error)

// benchmark is one case: the product's work, and the limit it is held against.
type benchmark struct {
	name string
	unit string
	peer string
	work measurement
	// limit is nil for a case that is itself a limit.
	limit measurement
	// less: a smaller value is better.
	less bool
}

var cases = []benchmark{
	{name: "limit-hmac", unit: "MB/s", peer: "hmac-sha256", work: limitOf(hmacOnly)},
	{name: "limit-zstd", unit: "MB/s", peer: "zstd-fastest", work: limitOf(zstdOnly)},
	{name: "limit-seal", unit: "MB/s", peer: "aes-256-gcm", work: limitOf(sealOnly)},
	{name: "limit-file", unit: "MB/s", peer: "write+fsync", work: limitOf(fileOnly)},
	{name: "archive-write", unit: "MB/s", peer: "hmac+zstd+check+seal+file", work: writeArchive, limit: bareArchive},
	{name: "archive-read", unit: "MB/s", peer: "file+open+zstd+hmac", work: readArchive, limit: bareRead},
	{name: "archive-next", unit: "MB/s", peer: "hmac", work: nextArchive, limit: hmacArchive},
	{name: "archive-next-stored", unit: "%", peer: "changed-objects-zstd", work: nextStored, limit: changedObjects, less: true},
	{name: "collect", unit: "objects/s", peer: "http-get+json-scan", work: collectObjects, limit: fetchObjects},
	{name: "restore-plan", unit: "objects/s", peer: "map+sort-of-names", work: planRestore, limit: mapAndSort},
	{name: "retention", unit: "s", peer: "promised-1-s", work: decideRetention, limit: promisedRetention, less: true},
	{name: "volume-write", unit: "MB/s", peer: "hmac+zstd+check+seal+file", work: writeVolume, limit: bareVolume},
}

// figure is the outcome of one measurement.
type figure struct {
	Value float64
	RSS   int64 // bytes
}

// measurer does the measurement "NAME/work" or "NAME/limit".
type measurer func(ctx context.Context, name string, p place) (figure, error)

// measure returns the line of a case.
func (c benchmark) measure(ctx context.Context, p place, by measurer) (string, error) {
	var values, ratios []float64
	var rss int64
	for p.Round = range rounds {
		work, err := by(ctx, c.name+"/work", p)
		if err != nil {
			return "", err
		}
		limit := work
		if c.limit != nil {
			if limit, err = by(ctx, c.name+"/limit", p); err != nil {
				return "", err
			}
		}
		values, ratios = append(values, work.Value), append(ratios, c.ratio(work.Value, limit.Value))
		rss = max(rss, work.RSS)
	}
	return fmt.Sprintf("bench %s %.4g %s ratio=%.2f peer=%s rss=%d",
		c.name, median(values), c.unit, median(ratios), c.peer, rss/1e6), nil
}

func (c benchmark) ratio(work, limit float64) float64 {
	if c.less {
		return limit / work
	}
	return work / limit
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// here does a measurement in this process.
func here(ctx context.Context, name string, p place) (figure, error) {
	of, half, _ := strings.Cut(name, "/")
	for _, c := range cases {
		if c.name != of {
			continue
		}
		do := c.work
		if half == "limit" {
			do = c.limit
		}
		value, err := do(ctx, p)
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return figure{Value: value}, err
	}
	return figure{}, fmt.Errorf("there is no case %q", name)
}

// peakMemory is the most memory a process ever held, in bytes.
func peakMemory(pid string) (int64, error) {
	file, err := os.Open("/proc/" + pid + "/status")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var kilobytes int64
		if n, _ := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/%s/status says nothing of VmHWM", pid)
}
