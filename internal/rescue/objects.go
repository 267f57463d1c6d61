package rescue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/json"

	"holdfast.dev/holdfast/internal/agent/restore/transform"
	"holdfast.dev/holdfast/internal/repo"
)

// Object is one Kubernetes object of a recovery point.
type Object struct {
	Group, Kind     string // Group is empty for the core group
	Namespace, Name string // Namespace is empty for cluster-scoped objects
	JSON            []byte // as the API server had it; only good until the next object
}

// String is the object as a person names it: "apps/Deployment/shop/web".
func (o Object) String() string {
	parts := []string{o.Group, o.Kind, o.Namespace, o.Name}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "/")
}

// Filter chooses objects; what is empty chooses all.
type Filter struct {
	Namespace, Name string
	// Kind is a kind, or its name in URLs, alone or with the group behind a dot
	// or in front of a slash; case does not matter.
	Kind string
}

// Lost says of which objects nothing is left.
type Lost struct {
	After, Last string // names as String has them: those between are lost; Last is empty for all behind After
	Objects     int64
	Err         error
}

// errTorn ends the reading of an archive that should be begun anew with all that
// packs tell of themselves.
var errTorn = errors.New("something is lost")

// Read hands the objects that the filter chooses to each, in order of
// keys, and tells lost what cannot be read of the recovery point, chosen or not.
// An error of each ends it.
func (p Point) Read(ctx context.Context, filter Filter, each func(Object) error, lost func(Lost)) error {
	kinds := filter.kinds(p.Kinds)
	for _, stream := range p.Streams {
		if stream.Type != repo.TypeArchive {
			continue
		}
		if err := p.archive(ctx, stream, func(record repo.Record) error {
			object, ok := parseKey(record.Key)
			if !ok || !filter.has(object, kinds) {
				return nil
			}
			object.JSON = record.Value
			return each(object)
		}, lost); err != nil {
			return err
		}
	}
	return nil
}

// archive reads a stream by the index alone, and when something is missing goes
// on with an index that is completed.
func (p Point) archive(ctx context.Context, stream repo.StreamRef, each func(repo.Record) error, lost func(Lost)) error {
	last := ""
	pass := func(from *repo.Repository, missing func(repo.LostRecords) error) error {
		reader, err := from.Archive(ctx, stream)
		if err != nil {
			return err
		}
		return reader.Salvage(ctx, func(record repo.Record) error {
			if record.Key <= last {
				return nil
			}
			last = record.Key
			return each(record)
		}, missing)
	}
	err := pass(p.In.Repository, func(repo.LostRecords) error { return errTorn })
	if !errors.Is(err, errTorn) {
		return err
	}
	salvaged, err := p.In.Salvage(ctx)
	if err != nil {
		return err
	}
	return pass(salvaged, func(l repo.LostRecords) error {
		lost(Lost{After: nameOf(l.After), Last: nameOf(l.Last), Objects: l.Records, Err: l.Err})
		return nil
	})
}

// parseKey reads the key of a record, as the cluster's side writes it.
func parseKey(key string) (Object, bool) {
	scope, rest, _ := strings.Cut(key, "/")
	parts := strings.Split(rest, "/")
	var o Object
	switch {
	case scope == "namespaced" && len(parts) == 4:
		o = Object{Group: parts[0], Kind: parts[1], Namespace: parts[2], Name: parts[3]}
	case scope == "wide" && len(parts) == 3:
		o = Object{Group: parts[0], Kind: parts[1], Name: parts[2]}
	default:
		return o, false
	}
	if o.Group == "core" {
		o.Group = ""
	}
	return o, true
}

func nameOf(key string) string {
	if o, ok := parseKey(key); ok {
		return o.String()
	}
	return key
}

// kinds are the kinds of the recovery point that the filter means, as
// "group/Kind"; nil for all.
func (f Filter) kinds(known []repo.Kind) map[string]bool {
	if f.Kind == "" {
		return nil
	}
	wanted := map[string]bool{}
	for _, k := range known {
		for _, name := range []string{k.Kind, k.Resource} {
			if strings.EqualFold(f.Kind, name) || strings.EqualFold(f.Kind, name+"."+k.Group) || strings.EqualFold(f.Kind, k.Group+"/"+name) {
				wanted[k.Group+"/"+k.Kind] = true
			}
		}
	}
	return wanted
}

func (f Filter) has(o Object, kinds map[string]bool) bool {
	return (f.Namespace == "" || f.Namespace == o.Namespace) && (f.Name == "" || f.Name == o.Name) &&
		(f.Kind == "" || kinds[o.Group+"/"+o.Kind] || strings.EqualFold(f.Kind, o.Kind))
}

// ParseObject reads how a person names an object: KIND/NAMESPACE/NAME,
// KIND/NAME for one without a namespace, with the kind as in Filter.Kind.
func ParseObject(text string) (Filter, error) {
	parts := strings.Split(text, "/")
	f := Filter{Kind: parts[0]}
	if len(parts) == 4 || len(parts) == 3 && parts[1] != strings.ToLower(parts[1]) { // a namespace is in lower case
		f.Kind, parts = parts[0]+"/"+parts[1], parts[1:]
	}
	switch len(parts) {
	case 2:
		f.Name = parts[1]
	case 3:
		f.Namespace, f.Name = parts[1], parts[2]
	}
	if f.Kind == "" || f.Name == "" || len(parts) == 3 && f.Namespace == "" || len(parts) > 3 {
		return f, fmt.Errorf("%q is not kind/namespace/name, or kind/name for an object without a namespace", text)
	}
	return f, nil
}

// Clean turns an object as it was read from the cluster into one that can be
// created again: without its status and all that a server or a controller wrote.
func Clean(raw []byte) ([]byte, error) {
	var body map[string]any
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, fmt.Errorf("object is not JSON: %w", err)
	}
	transform.Rules{}.Apply(body)
	return json.Marshal(body)
}
