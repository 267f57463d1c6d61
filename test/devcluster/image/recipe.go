package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Recipe says what goes into an image.
type Recipe struct {
	Config   Config
	Files    []string // SOURCE:TARGET, files or folders of this machine
	Debs     []string // .deb files, whose scripts are not run
	Accounts []Account
	Folders  []string // PATH[:OWNER[:MODE]], mode in octal
}

// Make builds the image into the cache directory unless the same recipe was
// built before, and returns the path of the archive.
func (r Recipe) Make(cache string) (string, error) {
	if r.Config.Tag == "" {
		return "", errors.New("an image needs a tag, like localhost/app:1")
	}
	key, err := r.key()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, key, "image.tar")
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	if len(r.Config.Env) == 0 {
		r.Config.Env = []string{defaultPath}
	}
	return path, Build(path, r.Config, len(r.Debs) > 0, r.fill)
}

// key covers the content of every file; packages are known by their names,
// which hold the version.
func (r Recipe) key() (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s %+v\n", revision, r)
	for _, file := range r.Files {
		source, _, err := splitPair(file)
		if err != nil {
			return "", err
		}
		err = filepath.WalkDir(source, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			content, err := hashFile(p)
			fmt.Fprintf(h, "%s %s %s\n", p, info.Mode(), content)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}

// fill puts the caller's own files first: the first content of a path stays.
func (r Recipe) fill(l *Layer) error {
	for _, folder := range r.Folders {
		if err := l.addFolder(folder); err != nil {
			return err
		}
	}
	for _, file := range r.Files {
		source, target, err := splitPair(file)
		if err != nil {
			return err
		}
		if err := l.Copy(source, target); err != nil {
			return err
		}
	}
	if err := l.Basics(r.Accounts); err != nil {
		return err
	}
	for _, deb := range r.Debs {
		if err := l.addDeb(deb); err != nil {
			return fmt.Errorf("add %s: %w", filepath.Base(deb), err)
		}
	}
	return nil
}

func (l *Layer) addFolder(text string) error {
	parts := append(strings.SplitN(text, ":", 3), "", "")
	owner, mode := 0, int64(0o755)
	var err error
	if parts[1] != "" {
		if owner, err = strconv.Atoi(parts[1]); err != nil {
			return fmt.Errorf("folder %q: owner: %w", text, err)
		}
	}
	if parts[2] != "" {
		if mode, err = strconv.ParseInt(parts[2], 8, 64); err != nil {
			return fmt.Errorf("folder %q: mode: %w", text, err)
		}
	}
	return l.Folder(parts[0], mode, owner)
}

func (l *Layer) addDeb(path string) error {
	cmd := exec.Command("dpkg-deb", "--fsys-tarfile", path)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	content, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	mergeErr := l.Merge(content)
	if mergeErr != nil {
		content.Close() // or dpkg-deb would wait for a reader for ever
	}
	if err := cmd.Wait(); err != nil && mergeErr == nil {
		return fmt.Errorf("%w: %s", err, problems.Bytes())
	}
	return mergeErr
}

func splitPair(text string) (source, target string, err error) {
	source, target, ok := strings.Cut(text, ":")
	if !ok || source == "" || !strings.HasPrefix(target, "/") {
		return "", "", fmt.Errorf("file %q: want SOURCE:/TARGET", text)
	}
	return source, target, nil
}
