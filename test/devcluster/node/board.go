package node

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// runningFile, in the state directory, tells the machine which components run.
const runningFile = "running.json"

// board is the supervisor's half of that file.
type board struct {
	home    string // the state directory as seen from here
	mu      sync.Mutex
	running map[string]int // process by component, as numbered inside; 0: not running
}

func (b *board) show(component string, pid int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running[component] = pid
	data, err := json.Marshal(b.running)
	if err != nil {
		return err
	}
	file := filepath.Join(b.home, runningFile)
	if err := os.WriteFile(file+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// ForgetRunning drops what an earlier run of the node left.
func (c Config) ForgetRunning() error {
	err := os.Remove(filepath.Join(c.Dir, runningFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Running tells, from the machine's side, the process of every component; 0
// for those that wait for something or have just ended.
func (c Config) Running() (map[string]int, error) {
	data, err := os.ReadFile(filepath.Join(c.Dir, runningFile))
	if err != nil {
		return nil, err
	}
	running := map[string]int{}
	return running, json.Unmarshal(data, &running)
}
