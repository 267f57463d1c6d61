package image

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// revision changes whenever the images below are put together differently.
const revision = "2"

// Program makes (once, in cache) the image of one static program at
// /usr/bin/NAME and returns the path of its archive.
func Program(cache, tag, binary string) (string, error) {
	name := "/usr/bin/" + filepath.Base(binary)
	return standard(cache, Config{Tag: tag, Entrypoint: []string{name}}, binary, func(l *Layer) error {
		return l.Copy(binary, name)
	})
}

// Busybox makes (once, in cache) the image of a static busybox with a link per
// applet, the usual folders and the users root and nobody.
func Busybox(cache, tag, binary string) (string, error) {
	return standard(cache, Config{Tag: tag, Cmd: []string{"/bin/sh"}, Env: []string{defaultPath}}, binary, func(l *Layer) error {
		if err := l.Copy(binary, "/bin/busybox"); err != nil {
			return err
		}
		applets, err := exec.Command(binary, "--list").Output()
		if err != nil {
			return fmt.Errorf("list applets: %w", err)
		}
		for applet := range strings.Lines(string(applets)) {
			// "busybox" is in its own list, but that path is taken already.
			if err := l.Link("/bin/"+strings.TrimSpace(applet), "busybox"); err != nil {
				return err
			}
		}
		return l.Basics(nil)
	})
}

func standard(cache string, c Config, binary string, fill func(*Layer) error) (string, error) {
	id, err := hashFile(binary)
	if err != nil {
		return "", err
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s %+v %s", revision, c, id))
	path := filepath.Join(cache, hex.EncodeToString(key[:6]), "image.tar")
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	return path, Build(path, c, false, fill)
}

// Build writes the image c to path: one layer made by fill, with the links of
// a merged /usr when merged is set.
func Build(path string, c Config, merged bool, fill func(*Layer) error) error {
	temporary, err := os.CreateTemp("", "layer-*.tar")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	defer temporary.Close()
	layer, err := NewLayer(temporary, merged)
	if err != nil {
		return err
	}
	if err := fill(layer); err != nil {
		return fmt.Errorf("image %s: %w", c.Tag, err)
	}
	if err := layer.Close(); err != nil {
		return err
	}
	return WriteArchive(path, temporary.Name(), c)
}
