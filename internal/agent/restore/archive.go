package restore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"

	"k8s.io/apimachinery/pkg/util/json"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/restore/transform"
)

// Record is one object of a recovery point as it was read from the cluster.
type Record struct {
	Key  string // the record's name in the archive, for messages
	JSON []byte // the whole object, with apiVersion and kind; not used after the next record
}

// Source yields the objects of one recovery point, in any order, each once. An
// error ends it; it may be read again from the start.
type Source interface {
	Records(ctx context.Context) iter.Seq2[Record, error]
}

// Ref names one object.
type Ref struct {
	Group, Version, Kind string
	Namespace, Name      string // Namespace is empty for cluster-scoped objects
}

// Resource is the object's kind as result lines write it: "apps/Deployment",
// "Secret".
func (r Ref) Resource() string {
	if r.Group == "" {
		return r.Kind
	}
	return r.Group + "/" + r.Kind
}

// String is the object as warnings write it: "apps/Deployment shop/web".
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Resource() + " " + r.Name
	}
	return r.Resource() + " " + r.Namespace + "/" + r.Name
}

// key is the same for all versions of a kind.
func (r Ref) key() string {
	return strings.Join([]string{r.Group, r.Kind, r.Namespace, r.Name}, "/")
}

// compare orders objects by kind, namespace and name, whatever their version.
// It makes no keys, since sorting asks it many times for each object.
func (r Ref) compare(other Ref) int {
	return cmp.Or(strings.Compare(r.Group, other.Group), strings.Compare(r.Kind, other.Kind),
		strings.Compare(r.Namespace, other.Namespace), strings.Compare(r.Name, other.Name))
}

// Owner is one owner reference of an object in the backup.
type Owner struct {
	UID        string
	APIVersion string
	Kind, Name string
	Controller bool
	Block      bool // blockOwnerDeletion
}

// Entry is what is kept in memory of one object: enough to plan with. The
// object itself lies in the spool.
type Entry struct {
	Ref
	UID    string
	Owners []Owner
	Labels map[string]string // only when the restore selects by labels
	Facts  Facts
	at     place
}

// Archive is the table of contents of a recovery point.
type Archive struct {
	Entries []*Entry
	// Volumes says of each claim, by "namespace/name", what the recovery point holds.
	Volumes map[string]agentv1.Volume
	spool   *spool
}

// readArchive reads the source once: facts into memory, objects into the
// spool.
func readArchive(ctx context.Context, run Run, dir string) (*Archive, error) {
	spool, err := newSpool(dir)
	if err != nil {
		return nil, err
	}
	archive := &Archive{spool: spool, Volumes: map[string]agentv1.Volume{}}
	for _, volume := range run.Volumes {
		archive.Volumes[volume.Namespace+"/"+volume.Claim] = volume
	}
	if err := archive.fill(ctx, run.Source, len(run.Spec.Selection.LabelSelectors) > 0); err != nil {
		archive.Close()
		return nil, err
	}
	return archive, nil
}

// Close gives the spool back.
func (a *Archive) Close() { a.spool.close() }

func (a *Archive) fill(ctx context.Context, source Source, withLabels bool) error {
	seen := map[string]bool{}
	for record, err := range source.Records(ctx) {
		if err != nil {
			return fmt.Errorf("read the recovery point's objects: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read the recovery point's objects: %w", err)
		}
		entry, err := a.add(record, withLabels)
		if err != nil {
			return err
		}
		if !seen[entry.key()] {
			seen[entry.key()] = true
			a.Entries = append(a.Entries, entry)
		}
	}
	return a.spool.flush()
}

func (a *Archive) add(record Record, withLabels bool) (*Entry, error) {
	var body map[string]any
	if err := json.Unmarshal(record.JSON, &body); err != nil {
		return nil, fmt.Errorf("record %s is no JSON object: %w", record.Key, err)
	}
	entry, err := newEntry(body, withLabels)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", record.Key, err)
	}
	entry.at, err = a.spool.put(record.JSON)
	if err != nil {
		return nil, err
	}
	return entry, nil
}

// body reads an object back from the spool.
func (a *Archive) body(entry *Entry) (map[string]any, error) {
	if entry.at == (place{}) {
		return bareNamespace(entry.Name), nil
	}
	raw, err := a.spool.get(entry.at)
	if err != nil {
		return nil, fmt.Errorf("read %s back: %w", entry.Ref, err)
	}
	var body map[string]any
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, fmt.Errorf("read %s back: %w", entry.Ref, err)
	}
	return body, nil
}

// bareNamespace stands for a namespace whose object is not in the archive.
func bareNamespace(name string) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}
}

func newEntry(body map[string]any, withLabels bool) (*Entry, error) {
	group, kind := transform.GroupKind(body)
	version := text(body, "apiVersion")
	version = version[strings.IndexByte(version, '/')+1:]
	entry := &Entry{Ref: Ref{
		Group: group, Version: version, Kind: kind,
		Namespace: text(body, "metadata", "namespace"), Name: text(body, "metadata", "name"),
	}}
	if kind == "" || version == "" || entry.Name == "" {
		return nil, fmt.Errorf("it has no apiVersion, kind or name")
	}
	entry.UID = text(body, "metadata", "uid")
	for _, item := range list(body, "metadata", "ownerReferences") {
		owner, _ := item.(map[string]any)
		entry.Owners = append(entry.Owners, Owner{
			UID: text(owner, "uid"), APIVersion: text(owner, "apiVersion"), Kind: text(owner, "kind"),
			Name: text(owner, "name"), Controller: owner["controller"] == true, Block: owner["blockOwnerDeletion"] == true,
		})
	}
	if withLabels {
		entry.Labels = texts(child(body, "metadata", "labels"))
	}
	entry.Facts = inspect(entry, body)
	return entry, nil
}
