package gate

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/objstore"
)

// Lines of a page of a listing: what is asked for when nothing is, and the most.
const (
	usualPage = 10_000
	mostPage  = 100_000
)

// page is what one page of a listing was asked to hold.
type page struct {
	prefix, after string
	most          int
}

// list answers the names after a given one, one line each, and a last line that
// says whether there are more. It is sent as it is found.
func (c *call) list() error {
	asked, err := c.askedPage()
	if err != nil {
		return err
	}
	store, err := c.store()
	if err != nil {
		return err
	}
	lines := bufio.NewWriterSize(c.outgoing(), 32<<10)
	last, err := c.lines(json.NewEncoder(lines), store, asked)
	if err != nil {
		return err
	}
	c.beginPage()
	if err := json.NewEncoder(lines).Encode(last); err != nil {
		return err
	}
	return lines.Flush()
}

func (c *call) beginPage() {
	if c.begun {
		return
	}
	c.begun = true
	c.w.Header().Set("Content-Type", "application/x-ndjson")
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusOK)
}

// lines writes the objects of a page and returns its last line. A page also ends
// when it has taken long, but never before its first object: so every page gets
// the caller further.
func (c *call) lines(out *json.Encoder, store objstore.Store, asked page) (agentv1.GateLine, error) {
	begin, count, last := wall.Now(), 0, ""
	for info, err := range store.List(c.r.Context(), asked.prefix) {
		if err != nil {
			return agentv1.GateLine{}, err
		}
		if info.Name <= asked.after || !c.Names(c.grant, info.Name, false) {
			continue
		}
		if count == asked.most || count > 0 && wall.Now().Sub(begin) > c.Limits.ListTime {
			return agentv1.GateLine{Next: last}, nil
		}
		c.beginPage()
		if err := out.Encode(agentv1.GateLine{Name: info.Name, Size: info.Size}); err != nil {
			return agentv1.GateLine{}, err
		}
		count, last = count+1, info.Name
	}
	return agentv1.GateLine{End: true}, nil
}

func (c *call) askedPage() (page, error) {
	asked := page{most: usualPage}
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return asked, refusal(agentv1.CodeGateBadRequest, "the query is not well formed")
	}
	for name, values := range query {
		if len(values) != 1 || !asked.set(name, values[0]) {
			return asked, refusal(agentv1.CodeGateBadRequest, "a listing takes prefix, after and max, each once, and of the right form")
		}
	}
	return asked, nil
}

func (p *page) set(name, value string) bool {
	switch name {
	case "prefix":
		p.prefix = value
		return value == "" || objstore.CheckName(strings.TrimSuffix(value, "/")) == nil
	case "after":
		p.after = value
		return value == "" || objstore.CheckName(value) == nil
	case "max":
		most, err := strconv.Atoi(value)
		p.most = min(most, mostPage)
		return err == nil && most > 0
	}
	return false
}
