package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Layer collects a file tree and writes it as one tar stream. A path added
// twice keeps its first content; folders in between are made as needed. Times
// are zero and order is the order of adding, so equal input gives equal bytes.
type Layer struct {
	w    *tar.Writer
	seen map[string]bool
	// merged says that /bin, /sbin, /lib and /lib64 are links into /usr, as on
	// any current Debian; packages still ship some files under the old names.
	merged bool
}

// NewLayer starts a layer on w. With merged it begins with the links of a
// merged /usr.
func NewLayer(w io.Writer, merged bool) (*Layer, error) {
	l := &Layer{w: tar.NewWriter(w), seen: map[string]bool{}}
	if !merged {
		return l, nil
	}
	for _, name := range mergedFolders {
		if err := l.Folder("/usr/"+name, 0o755, 0); err != nil {
			return nil, err
		}
		if err := l.Link("/"+name, "usr/"+name); err != nil {
			return nil, err
		}
	}
	l.merged = true
	return l, nil
}

var mergedFolders = []string{"bin", "sbin", "lib", "lib64"}

// Close ends the stream; the writer below stays open.
func (l *Layer) Close() error { return l.w.Close() }

// Folder adds a directory with permission bits mode, owned by owner:owner.
func (l *Layer) Folder(name string, mode int64, owner int) error {
	return l.add(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, Uid: owner, Gid: owner}, nil)
}

// Link adds a symbolic link.
func (l *Layer) Link(name, target string) error {
	return l.add(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
}

// Text adds a small file.
func (l *Layer) Text(name, content string) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}
	return l.add(h, strings.NewReader(content))
}

// Copy adds the file or directory tree at source as name; symbolic links stay
// links, everything is owned by root.
func (l *Layer) Copy(source, name string) error {
	return filepath.WalkDir(source, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source, p)
		if err != nil {
			return err
		}
		if err := l.copyOne(p, path.Join(name, filepath.ToSlash(rel)), d); err != nil {
			return fmt.Errorf("add %s: %w", p, err)
		}
		return nil
	})
}

func (l *Layer) copyOne(source, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		return l.Folder(name, int64(info.Mode().Perm()), 0)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return l.Link(name, target)
	case info.Mode().IsRegular():
		f, err := os.Open(source)
		if err != nil {
			return err
		}
		defer f.Close()
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(info.Mode().Perm()), Size: info.Size()}
		return l.add(h, f)
	}
	return errors.New("neither a file, a folder nor a link")
}

// notInImages are parts of packages nothing running needs.
var notInImages = []string{"usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/info/", "usr/share/lintian/"}

// Merge adds a tar stream, which is what a Debian package holds, without its
// documentation.
func (l *Layer) Merge(r io.Reader) error {
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if skipped(l.clean(h.Name) + "/") {
			continue
		}
		if h.Typeflag == tar.TypeLink {
			h.Linkname = l.clean(h.Linkname)
		}
		if err := l.add(h, in); err != nil {
			return err
		}
	}
}

func skipped(name string) bool {
	return slices.ContainsFunc(notInImages, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// add writes one entry unless its path is there already.
func (l *Layer) add(h *tar.Header, content io.Reader) error {
	name := l.clean(h.Name)
	if name == "." || l.seen[name] {
		return nil
	}
	if err := l.parents(name); err != nil {
		return err
	}
	l.seen[name] = true
	out := &tar.Header{Typeflag: h.Typeflag, Name: name, Linkname: h.Linkname, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid, Size: h.Size, Format: tar.FormatPAX}
	if h.Typeflag == tar.TypeDir {
		out.Name += "/"
	}
	if err := l.w.WriteHeader(out); err != nil {
		return fmt.Errorf("add %s: %w", name, err)
	}
	if h.Typeflag == tar.TypeReg {
		_, err := io.Copy(l.w, content)
		return err
	}
	return nil
}

func (l *Layer) parents(name string) error {
	dir := path.Dir(name)
	if dir == "." || l.seen[dir] {
		return nil
	}
	return l.Folder(dir, 0o755, 0)
}

// clean turns any spelling of a path into the one used inside the layer:
// relative, no dots, below /usr where that is merged.
func (l *Layer) clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	first, _, _ := strings.Cut(name, "/")
	if l.merged && slices.Contains(mergedFolders, first) && first != name {
		return "usr/" + name
	}
	return name
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
