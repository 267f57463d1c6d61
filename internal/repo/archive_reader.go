package repo

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"holdfast.dev/holdfast/internal/repo/internal/page"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// Record is one record of an archive. Value is shared: it is to be read only.
type Record = page.Record

// ArchiveReader reads an archive stream. It is safe for concurrent use.
type ArchiveReader struct {
	repo *Repository
	ref  StreamRef
	root seal.Name
}

// Archive returns a reader of an archive stream. Nothing is read yet.
func (r *Repository) Archive(_ context.Context, ref StreamRef) (*ArchiveReader, error) {
	if ref.Type != TypeArchive {
		return nil, fmt.Errorf("stream %q is of type %q, not an archive", ref.Name, ref.Type)
	}
	root, err := ref.RootName()
	if err != nil {
		return nil, err
	}
	return &ArchiveReader{repo: r, ref: ref, root: root}, nil
}

// All yields every record in order of keys. Every byte was checked against its
// name. An error ends the sequence.
func (a *ArchiveReader) All(ctx context.Context) iter.Seq2[Record, error] {
	return a.Prefix(ctx, "")
}

// Prefix yields the records whose keys start with prefix, reading only pages
// and groups that can hold them.
func (a *ArchiveReader) Prefix(ctx context.Context, prefix string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for records, err := range a.groups(ctx, prefix) {
			if err != nil {
				yield(Record{}, a.located(err))
				return
			}
			for _, record := range records {
				if strings.HasPrefix(record.Key, prefix) && !yield(record, nil) {
					return
				}
			}
		}
	}
}

// Get returns the record of a key, or ErrNoRecord.
func (a *ArchiveReader) Get(ctx context.Context, key string) (Record, error) {
	for record, err := range a.Prefix(ctx, key) {
		if err != nil {
			return Record{}, err
		}
		if record.Key == key {
			return record, nil
		}
		break // the key itself would be the first with it as a prefix
	}
	return Record{}, fmt.Errorf("archive %q, key %q: %w", a.ref.Name, key, ErrNoRecord)
}

// located adds the stream's name to what is known of a damage.
func (a *ArchiveReader) located(err error) error { return ofStream(a.ref.Name, err) }

// visit is a page or group on its way: its entry, and the key before its first.
type visit struct {
	entry  page.Entry
	before string
}

// top is the root page, as the manifest describes it.
func (a *ArchiveReader) top() visit {
	return visit{entry: page.Entry{Name: a.root, Records: uint64(a.ref.Records), Bytes: uint64(a.ref.Bytes)}}
}

// walk yields the groups below a page that can hold keys with prefix. After an
// error it goes on behind the damaged page, when yield wants it to.
func (a *ArchiveReader) walk(ctx context.Context, of visit, level int, prefix string, yield func(visit, error) bool) bool {
	data, err := a.repo.block(ctx, of.entry.Name)
	var entries []page.Entry
	if err == nil {
		entries, err = page.ParseArchive(data, level, of.entry, of.before)
	}
	if err != nil {
		return yield(visit{}, located(fmt.Sprintf("page %x", of.entry.Name[:8]), err))
	}
	before := of.before
	for _, e := range entries {
		if before > prefix && !strings.HasPrefix(before, prefix) {
			return false // all further keys come after those with prefix
		}
		if e.Last >= prefix {
			if level == 0 && !yield(visit{e, before}, nil) || level > 0 && !a.walk(ctx, visit{e, before}, level-1, prefix, yield) {
				return false
			}
		}
		before = e.Last
	}
	return true
}

// groups yields the records group by group, fetching some ahead.
func (a *ArchiveReader) groups(ctx context.Context, prefix string) iter.Seq2[[]Record, error] {
	return ahead(ctx, func(ctx context.Context, hand func(func() ([]Record, error)) bool) {
		if a.root.IsHole() {
			return
		}
		a.walk(ctx, a.top(), a.ref.Levels-1, prefix, func(v visit, err error) bool {
			return hand(func() ([]Record, error) {
				if err != nil {
					return nil, err
				}
				return a.fetch(ctx, v)
			})
		})
	})
}

func (a *ArchiveReader) fetch(ctx context.Context, v visit) ([]Record, error) {
	data, err := a.repo.block(ctx, v.entry.Name)
	if err != nil {
		return nil, err
	}
	records, err := page.ParseGroup(data, v.entry, v.before)
	return records, located(fmt.Sprintf("group %x", v.entry.Name[:8]), err)
}

// CopyArchive writes an archive of this repository to another one, record by
// record, as an archive of the same name. progress is told how many records
// are written, now and then; nil tells nobody.
func (r *Repository) CopyArchive(ctx context.Context, ref StreamRef, to *Writer, progress func(records int64)) (StreamRef, error) {
	from, err := r.Archive(ctx, ref)
	if err != nil {
		return StreamRef{}, err
	}
	out, err := to.Archive(ref.Name)
	if err != nil {
		return StreamRef{}, err
	}
	done := int64(0)
	for record, err := range from.All(ctx) {
		if err == nil {
			err = out.Add(record.Key, record.Value)
		}
		if err != nil {
			return StreamRef{}, err
		}
		if done++; progress != nil && done%copyTold == 0 {
			progress(done)
		}
	}
	return out.Close()
}

// copyTold is after how many records a copy tells how far it is.
const copyTold = 1000
