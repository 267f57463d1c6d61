package repo

import (
	"encoding/hex"
	"fmt"

	"holdfast.dev/holdfast/internal/repo/internal/page"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// Frame targets in bytes of content.
const (
	archiveFrame = 1 << 20
	pageFrame    = 256 << 10
)

// ArchiveWriter writes a stream of records: keys, and the raw bytes of each.
// It is for one goroutine.
type ArchiveWriter struct {
	writer *Writer
	name   string
	data   *runs
	pages  *runs

	group   []byte     // records gathered
	entry   page.Entry // what the gathered group is
	levels  []archiveLevel
	scratch []byte
	ref     StreamRef
	done    bool
}

// archiveLevel is one level of the tree of pages while it grows.
type archiveLevel struct {
	entries []page.Entry
	emitted bool // at least one page of this level was stored
}

// Archive begins an archive stream. Its name is unique in the recovery point.
func (w *Writer) Archive(name string) (*ArchiveWriter, error) {
	if err := w.begin(name); err != nil {
		return nil, fmt.Errorf("begin archive: %w", err)
	}
	return &ArchiveWriter{writer: w, name: name, data: w.newRuns(archiveFrame), pages: w.newRuns(pageFrame),
		ref: StreamRef{Name: name, Type: TypeArchive}}, nil
}

// Add appends a record. Keys come in strictly ascending byte order (ErrOrder),
// are 1 byte to 4 KiB long, values at most 8 MiB (ErrTooLarge). value may be
// reused when Add returns.
func (a *ArchiveWriter) Add(key string, value []byte) error {
	if err := a.add(key, value); err != nil {
		return fmt.Errorf("archive %q, record %q: %w", a.name, key, err)
	}
	return nil
}

func (a *ArchiveWriter) add(key string, value []byte) error {
	switch {
	case a.done:
		return errClosed
	case key == "" || len(key) > page.MaxKey || len(value) > page.MaxValue:
		return ErrTooLarge
	case key <= a.entry.Last:
		return fmt.Errorf("%w: it follows %q", ErrOrder, a.entry.Last)
	}
	if len(a.group) > 0 && len(a.group)+len(key)+len(value) > page.GroupSize {
		if err := a.endGroup(); err != nil {
			return err
		}
	}
	a.group = page.AppendRecord(a.group, key, value)
	a.entry.Records++
	a.entry.Bytes += uint64(len(value))
	a.entry.Last = key
	if page.EndsGroup(page.Weight(key)) {
		return a.endGroup()
	}
	return nil
}

func (a *ArchiveWriter) endGroup() error {
	if len(a.group) == 0 {
		return nil
	}
	name, err := a.writer.put(a.data, a.group)
	if err != nil {
		return err
	}
	a.entry.Name = name
	a.ref.Records += int64(a.entry.Records)
	a.ref.Bytes += int64(a.entry.Bytes)
	a.group = a.group[:0]
	entry := a.entry
	a.entry = page.Entry{Last: entry.Last}
	return a.grow(0, entry)
}

// grow adds an entry to a level, and closes that level's page where it ends.
func (a *ArchiveWriter) grow(level int, entry page.Entry) error {
	if level == len(a.levels) {
		a.levels = append(a.levels, archiveLevel{})
	}
	l := &a.levels[level]
	l.entries = append(l.entries, entry)
	if len(l.entries) == page.MaxEntries || page.EndsPage(page.Weight(entry.Last), level) {
		return a.endPage(level)
	}
	return nil
}

// endPage stores the gathered page of a level, and enters it in the next.
func (a *ArchiveWriter) endPage(level int) error {
	parent, err := a.storePage(level)
	if err != nil {
		return err
	}
	a.levels[level].emitted = true
	return a.grow(level+1, parent)
}

func (a *ArchiveWriter) storePage(level int) (page.Entry, error) {
	l := &a.levels[level]
	a.scratch = page.AppendArchive(a.scratch[:0], level, l.entries)
	name, err := a.writer.put(a.pages, a.scratch)
	if err != nil {
		return page.Entry{}, err
	}
	sum := page.Entry{Name: name, Last: l.entries[len(l.entries)-1].Last}
	for _, e := range l.entries {
		sum.Records += e.Records
		sum.Bytes += e.Bytes
	}
	l.entries = l.entries[:0]
	return sum, nil
}

// Close ends the stream and returns what a manifest refers to it by. The data
// is stored when the Writer's Flush or Commit has returned.
func (a *ArchiveWriter) Close() (StreamRef, error) {
	if a.done {
		return a.ref, nil
	}
	root, levels, err := a.finish()
	if err == nil {
		err = a.data.flush()
	}
	if err == nil {
		err = a.pages.flush()
	}
	if err != nil {
		return StreamRef{}, fmt.Errorf("close archive %q: %w", a.name, err)
	}
	if !root.IsHole() {
		a.ref.Root, a.ref.Levels = hex.EncodeToString(root[:]), levels
	}
	a.done = true
	a.writer.end(a.name)
	return a.ref, nil
}

// finish closes the pages from the leaves up. The root is the only page of the
// uppermost level.
func (a *ArchiveWriter) finish() (seal.Name, int, error) {
	if err := a.endGroup(); err != nil {
		return seal.Name{}, 0, err
	}
	for level := 0; level < len(a.levels); level++ {
		l := &a.levels[level]
		switch {
		case level > 0 && !l.emitted && len(l.entries) == 1:
			return l.entries[0].Name, level, nil // the only page of the level below
		case !l.emitted:
			root, err := a.storePage(level)
			return root.Name, level + 1, err
		case len(l.entries) > 0:
			if err := a.endPage(level); err != nil {
				return seal.Name{}, 0, err
			}
		}
	}
	return seal.Name{}, 0, nil // no record at all
}
