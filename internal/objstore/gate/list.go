package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/internal/overhttp"
)

// pageSize is how many objects are asked for at once. They are read as they
// come, so this is not held in memory.
const pageSize = 100_000

// listing is one walk over all pages.
type listing struct {
	store  *Store
	ctx    context.Context
	prefix string
	last   string // name that was given last
	yield  func(objstore.Info, error) bool
}

// page gives one page, and reports whether there is another one to be read.
func (l *listing) page() bool {
	query := url.Values{"prefix": {l.prefix}, "after": {l.last}, "max": {strconv.Itoa(pageSize)}}
	answer, err := l.store.do(l.ctx, l.doing(), http.MethodGet, agentv1.PathGateObjects+"?"+query.Encode(), nil, nil)
	if err != nil {
		l.yield(objstore.Info{}, err)
		return false
	}
	defer answer.Body.Close()
	lines := json.NewDecoder(answer.Body)
	for before := l.last; ; {
		var line agentv1.GateLine
		if err := lines.Decode(&line); err != nil {
			l.yield(objstore.Info{}, l.broken(err))
			return false
		}
		if line.End || line.Next != "" {
			return l.endOf(line, lines, before)
		}
		if err := l.check(line); err != nil {
			l.yield(objstore.Info{}, err)
			return false
		}
		l.last = line.Name
		if !l.yield(objstore.Info{Name: line.Name, Size: line.Size}, nil) {
			return false
		}
	}
}

// endOf makes sure that the last line was the last one, and that another page
// starts after the last object, of which this page gave at least one.
func (l *listing) endOf(line agentv1.GateLine, lines *json.Decoder, before string) (more bool) {
	if _, err := lines.Token(); !errors.Is(err, io.EOF) || !line.End && (line.Next != l.last || l.last == before) {
		l.yield(objstore.Info{}, fmt.Errorf("%s: %w: the page did not end with its last line", l.doing(), objstore.ErrUnavailable))
		return false
	}
	return !line.End
}

func (l *listing) check(line agentv1.GateLine) error {
	if line.Name <= l.last || !strings.HasPrefix(line.Name, l.prefix) || line.Size < 0 || objstore.CheckName(line.Name) != nil {
		return fmt.Errorf("%s: %q was listed after %q", l.doing(), line.Name, l.last)
	}
	return nil
}

// broken words the error of a page that ended without a last line.
func (l *listing) broken(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w: the page broke off", l.doing(), objstore.ErrUnavailable)
	}
	return overhttp.Failure(l.doing(), err)
}

func (l *listing) doing() string { return fmt.Sprintf("list %q", l.prefix) }
