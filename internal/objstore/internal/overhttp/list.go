package overhttp

import (
	"fmt"
	"iter"

	"holdfast.dev/holdfast/internal/objstore"
)

// Page is a part of a listing.
type Page struct {
	Objects []objstore.Info
	More    bool   // another page follows
	Next    string // its token
}

// List yields a listing page by page: fetch gets the page of a token, empty for
// the first. A listing that does not come in order, or that breaks off, is an
// error: it could not be told from one with gaps.
func List(prefix string, fetch func(token string) (Page, error)) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		token, last := "", ""
		for {
			page, err := fetch(token)
			if err == nil && page.More && (page.Next == "" || page.Next == token) {
				err = fmt.Errorf("list %q: %w: more objects were announced but not where", prefix, objstore.ErrUnavailable)
			}
			if err != nil {
				yield(objstore.Info{}, err)
				return
			}
			for _, info := range page.Objects {
				if info.Name <= last {
					yield(objstore.Info{}, fmt.Errorf("list %q: %q was listed after %q", prefix, info.Name, last))
					return
				}
				last = info.Name
				if !yield(info, nil) {
					return
				}
			}
			if !page.More {
				return
			}
			token = page.Next
		}
	}
}
