package ext4

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

const (
	maxTarget  = 4096 // bytes of a link
	fastTarget = 60   // shorter links are in the inode itself

	inodeEncrypted = 0x800
	inodeInline    = 0x10000000
)

// dirent is one entry of a directory.
type dirent struct {
	inode int64
	name  string
}

// list reads a directory in order of names. An entry whose inode cannot be read
// is listed all the same; its Info tells why.
func (n *node) list() ([]fs.DirEntry, error) {
	found, err := n.entries("")
	if err != nil {
		return nil, err
	}
	list := make([]fs.DirEntry, 0, len(found))
	for _, e := range found {
		child, err := n.files.node(e.inode, e.name)
		if err != nil {
			list = append(list, unreadable{e.name, err})
			continue
		}
		list = append(list, child)
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

// unreadable is an entry of a directory and nothing else.
type unreadable struct {
	name string
	err  error
}

// Name is the entry's.
func (u unreadable) Name() string { return u.name }

// IsDir is not known.
func (u unreadable) IsDir() bool { return false }

// Type is not known.
func (u unreadable) Type() fs.FileMode { return fs.ModeIrregular }

// Info says why nothing is known.
func (u unreadable) Info() (fs.FileInfo, error) { return nil, u.err }

// child finds an entry of a directory.
func (n *node) child(name string) (*node, error) {
	found, err := n.entries(name)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fs.ErrNotExist
	}
	return n.files.node(found[0].inode, name)
}

// entries reads the entries of a directory: all, or only the one wanted. The
// index that large directories have looks like empty entries, so blocks are
// read one after the other.
func (n *node) entries(wanted string) (found []dirent, err error) {
	switch {
	case !n.IsDir():
		return nil, fmt.Errorf("%s is not a directory", n.name)
	case n.flags()&inodeEncrypted != 0:
		return nil, fmt.Errorf("%s is encrypted by the file system", n.name)
	case n.flags()&inodeInline != 0:
		first, rest := n.inline()
		if found, err = parseEntries(found, first[4:], wanted); err == nil {
			found, err = parseEntries(found, rest, wanted)
		}
		return found, err
	}
	content, err := n.content()
	if err != nil {
		return nil, err
	}
	blockSize := n.files.super.blockSize
	block := make([]byte, blockSize)
	for _, r := range content.runs {
		for i := range r.length {
			if (r.logical+i)*blockSize >= n.Size() {
				return found, nil
			}
			if err := content.block(r.physical+i, block); err != nil {
				return nil, err
			}
			if found, err = parseEntries(found, block, wanted); err != nil || wanted != "" && len(found) > 0 {
				return found, err
			}
		}
	}
	return found, nil
}

// parseEntries adds the entries of one block.
func parseEntries(found []dirent, block []byte, wanted string) ([]dirent, error) {
	for at := 0; at+8 <= len(block); {
		length, nameLength := int(le.Uint16(block[at+4:])), int(block[at+6])
		if length == 0 || length == 0xFFFF { // of blocks of 64 KiB
			length = len(block) - at
		}
		if length < 8 || at+length > len(block) || 8+nameLength > length {
			return nil, unusable("a directory has an entry of %d bytes with a name of %d", length, nameLength)
		}
		e := dirent{int64(le.Uint32(block[at:])), string(block[at+8 : at+8+nameLength])}
		at += length
		if e.inode == 0 || e.name == "." || e.name == ".." || !plainName(e.name) {
			continue
		}
		if wanted == "" || e.name == wanted {
			found = append(found, e)
		}
	}
	return found, nil
}

// plainName refuses names that would lead somewhere else when they are written
// to another file system.
func plainName(name string) bool { return name != "" && !strings.ContainsAny(name, "/\x00") }

// target is what a link says.
func (n *node) target() (string, error) {
	size := n.Size()
	switch {
	case n.flags()&inodeEncrypted != 0:
		return "", fmt.Errorf("%s is encrypted by the file system", n.name)
	case size > maxTarget:
		return "", unusable("a link of %d bytes", size)
	case size < fastTarget && n.flags()&(inodeHasExtents|inodeInline) == 0:
		return string(n.raw[0x28:][:size]), nil
	}
	content, err := n.content()
	if err != nil {
		return "", err
	}
	text := make([]byte, size)
	if err := readFull(content, text, 0); err != nil {
		return "", err
	}
	return string(text), nil
}

func (n *node) flags() uint32 { return le.Uint32(n.raw[0x20:]) }

// inline returns what a small file or directory keeps in its inode: where others
// say where their blocks are, and behind the inode's fields.
func (n *node) inline() (first, rest []byte) {
	first = n.raw[0x28:0x64]
	if len(n.raw) < 0x84 {
		return first, nil
	}
	at := 0x80 + int(le.Uint16(n.raw[0x80:]))
	if at+4 > len(n.raw) || le.Uint32(n.raw[at:]) != 0xEA020000 {
		return first, nil
	}
	body := n.raw[at+4:] // entries, then values; offsets are from here
	for p := 0; p+16 <= len(body) && le.Uint32(body[p:]) != 0; {
		nameLength := int(body[p])
		if p+16+nameLength > len(body) {
			break
		}
		if body[p+1] == 7 && string(body[p+16:p+16+nameLength]) == "data" { // system.data
			from, size := int(le.Uint16(body[p+2:])), int(le.Uint32(body[p+8:]))
			if size <= len(body) && from+size <= len(body) {
				return first, body[from : from+size]
			}
			break
		}
		p += (16 + nameLength + 3) &^ 3
	}
	return first, nil
}
