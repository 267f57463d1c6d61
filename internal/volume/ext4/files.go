package ext4

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Files reads the files of a file system as a mount of the device would show
// them, without mounting: for somebody who has the bytes of a volume and wants
// one file. It is an fs.FS of unrooted names; links are followed on the way to a
// file as long as they stay within the volume. It is less strict than Used: what
// a damaged file system still has is read, and Notes tell what to be wary of.
//
//	path ── directory entries ── inode ── extents, or blocks of blocks ── content
type Files struct {
	// Notes are sentences about the file system as a whole.
	Notes []string

	ctx   context.Context
	super *super
	view  *view
}

const (
	rootInode = 2
	maxLinks  = 40 // followed on the way to one file
)

// OpenFiles opens the file system on a device of size bytes; ErrOther when there
// is none. ctx ends all reading.
func OpenFiles(ctx context.Context, r io.ReaderAt, size int64) (*Files, error) {
	s, err := readSuper(r, size)
	if err != nil {
		return nil, err
	}
	f := &Files{ctx: ctx, super: s, view: &view{device: r, blockSize: s.blockSize, blocks: s.blocks}}
	if s.incompat&incompatRecover != 0 {
		if err := f.replay(size); err != nil {
			return nil, err
		}
	}
	if f.super.state&stateError != 0 {
		f.Notes = append(f.Notes, "The file system is marked as damaged: check what is read from it.")
	}
	return f, nil
}

// replay lays the journal over the device; one that is not understood is left
// out, with a note.
func (f *Files) replay(size int64) error {
	overlaid := *f.view
	s, err := recoverJournal(f.ctx, &overlaid, f.super, size)
	var reason Unusable
	switch {
	case errors.As(err, &reason):
		f.Notes = append(f.Notes, "The file system was in use and its journal cannot be followed ("+string(reason)+"): what was written last may be missing or mixed.")
		return nil
	case err != nil:
		return err
	}
	f.super, f.view = s, &overlaid
	return nil
}

// Open opens a file or directory.
func (f *Files) Open(name string) (fs.File, error) {
	n, err := f.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if n.IsDir() {
		return &openDir{node: n}, nil
	}
	content, err := n.content()
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{n, io.NewSectionReader(content, 0, n.Size())}, nil
}

// ReadDir lists a directory in order of names.
func (f *Files) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := f.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	entries, err := n.list()
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return entries, nil
}

// Stat describes a file; a link is followed.
func (f *Files) Stat(name string) (fs.FileInfo, error) { return f.find("stat", name, true) }

// Lstat describes a file, or the link itself.
func (f *Files) Lstat(name string) (fs.FileInfo, error) { return f.find("lstat", name, false) }

// ReadLink returns what a link says.
func (f *Files) ReadLink(name string) (string, error) {
	n, err := f.find("readlink", name, false)
	if err == nil && n.Mode().Type() != fs.ModeSymlink {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	return n.target()
}

// find walks to a name.
func (f *Files) find(op, name string, follow bool) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n, err := f.walk(name, follow)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return n, nil
}

func (f *Files) walk(name string, follow bool) (*node, error) {
	rest := split(name)
	var gone []string // names from the root to here
	at, err := f.node(rootInode, ".")
	for links := 0; err == nil && len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		var next *node
		if next, err = at.child(part); err != nil {
			break
		}
		if next.Mode().Type() != fs.ModeSymlink || len(rest) == 0 && !follow {
			at, gone = next, append(gone, part)
			continue
		}
		if links++; links > maxLinks {
			return nil, errors.New("too many links")
		}
		var to string
		if to, err = next.target(); err != nil {
			break
		}
		if rest, err = beside(gone, to, rest); err == nil {
			gone = nil
			at, err = f.node(rootInode, ".")
		}
	}
	return at, err
}

// beside is where a link that lies in the directory gone leads to.
func beside(gone []string, to string, rest []string) ([]string, error) {
	joined := path.Join(strings.Join(gone, "/"), to)
	if path.IsAbs(to) || joined == ".." || strings.HasPrefix(joined, "../") {
		return nil, fmt.Errorf("is a link to %s, which is not in the volume", to)
	}
	return slices.Concat(split(joined), rest), nil
}

func split(name string) []string {
	if name == "." || name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

// node is one file, directory or link.
type node struct {
	files *Files
	inode int64
	name  string
	raw   []byte
}

func (f *Files) node(inode int64, name string) (*node, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	raw, err := readInode(f.view, f.super, inode)
	if err != nil {
		return nil, err
	}
	if le.Uint16(raw) == 0 {
		return nil, fmt.Errorf("ext4: inode %d is not in use", inode)
	}
	return &node{f, inode, name, raw}, nil
}

// Name is the last part of the path.
func (n *node) Name() string { return n.name }

// Size is in bytes.
func (n *node) Size() int64 {
	return int64(le.Uint32(n.raw[4:])) | int64(le.Uint32(n.raw[0x6C:])&0x7FFFFFFF)<<32
}

// ModTime is when the content was changed last.
func (n *node) ModTime() time.Time {
	seconds := int64(int32(le.Uint32(n.raw[0x10:])))
	var nanos int64
	if len(n.raw) >= 0x8C && le.Uint16(n.raw[0x80:]) >= 0xC {
		extra := le.Uint32(n.raw[0x88:])
		seconds += int64(extra&3) << 32
		nanos = int64(extra >> 2)
	}
	return time.Unix(seconds, nanos).UTC()
}

// IsDir says whether it is a directory.
func (n *node) IsDir() bool { return n.Mode().IsDir() }

// Sys gives nothing.
func (n *node) Sys() any { return nil }

// Info is the node itself, as an entry of a directory.
func (n *node) Info() (fs.FileInfo, error) { return n, nil }

// Type is the type alone.
func (n *node) Type() fs.FileMode { return n.Mode().Type() }

// Owner returns the ids of user and group.
func (n *node) Owner() (user, group uint32) {
	return uint32(le.Uint16(n.raw[2:])) | uint32(le.Uint16(n.raw[0x78:]))<<16,
		uint32(le.Uint16(n.raw[0x18:])) | uint32(le.Uint16(n.raw[0x7A:]))<<16
}

var types = map[uint16]fs.FileMode{
	0x1000: fs.ModeNamedPipe, 0x2000: fs.ModeDevice | fs.ModeCharDevice, 0x4000: fs.ModeDir, 0x6000: fs.ModeDevice,
	0x8000: 0, 0xA000: fs.ModeSymlink, 0xC000: fs.ModeSocket,
}

// Mode is type and permissions.
func (n *node) Mode() fs.FileMode {
	mode := le.Uint16(n.raw)
	kind, known := types[mode&0xF000]
	if !known {
		kind = fs.ModeIrregular
	}
	for bit, flag := range map[uint16]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if mode&bit != 0 {
			kind |= flag
		}
	}
	return kind | fs.FileMode(mode&0o777)
}

type openFile struct {
	*node
	*io.SectionReader
}

// Stat describes the file.
func (o *openFile) Stat() (fs.FileInfo, error) { return o.node, nil }

// Size is the file's in bytes.
func (o *openFile) Size() int64 { return o.node.Size() }

// Close does nothing.
func (o *openFile) Close() error { return nil }

type openDir struct {
	*node
	left []fs.DirEntry
	read bool
}

// Stat describes the directory.
func (o *openDir) Stat() (fs.FileInfo, error) { return o.node, nil }

// Read refuses: a directory has no content of its own.
func (o *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: o.name, Err: errors.New("is a directory")}
}

// Close does nothing.
func (o *openDir) Close() error { return nil }

// ReadDir lists up to count entries, or all when count is not positive.
func (o *openDir) ReadDir(count int) ([]fs.DirEntry, error) {
	if !o.read {
		var err error
		if o.left, err = o.list(); err != nil {
			return nil, &fs.PathError{Op: "readdir", Path: o.name, Err: err}
		}
		o.read = true
	}
	if count <= 0 {
		count = len(o.left)
	} else if len(o.left) == 0 {
		return nil, io.EOF
	}
	part := o.left[:min(count, len(o.left))]
	o.left = o.left[len(part):]
	return part, nil
}
