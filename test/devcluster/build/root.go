package build

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// SourceRoot finds the folder of this Go module: $HOLDFAST_DEVCLUSTER_SOURCE,
// else the working directory or one of its parents, else where this program
// was compiled.
func SourceRoot() (string, error) {
	if dir := os.Getenv("HOLDFAST_DEVCLUSTER_SOURCE"); dir != "" {
		return dir, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		for _, candidate := range []string{dir, filepath.Join(dir, "test", "devcluster")} {
			if isSourceRoot(candidate) {
				return candidate, nil
			}
		}
	}
	if _, file, _, ok := runtime.Caller(0); ok {
		if candidate := filepath.Dir(filepath.Dir(file)); isSourceRoot(candidate) {
			return candidate, nil
		}
	}
	return "", errors.New("cannot find the sources of the development cluster: run inside the repository, or set HOLDFAST_DEVCLUSTER_SOURCE")
}

func isSourceRoot(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, kubernetesModule, "go.mod"))
	return err == nil
}
