package node

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/test/devcluster/network"
)

func config(t *testing.T, name string, index int) Config {
	t.Helper()
	plan, err := network.NewPlan(index)
	if err != nil {
		t.Fatal(err)
	}
	return Config{Name: name, Dir: filepath.Join(t.TempDir(), name), Plan: plan}
}

func TestFilesOfTwoNodesDiffer(t *testing.T) {
	one, two := config(t, "one", 0), config(t, "two", 1)
	for _, c := range []Config{one, two} {
		if err := c.WriteFiles(); err != nil {
			t.Fatal(err)
		}
	}
	for file, parts := range map[string][]string{
		"etc/kubelet.yaml":           {"cgroupRoot: /hf-two", "clusterDNS: [" + network.DNSAddress + "]"},
		"etc/kube-proxy.yaml":        {"hostnameOverride: two-node", "clusterCIDR: 10.88.1.0/24"},
		"etc/cni/10-bridge.conflist": {`"subnet": "10.88.1.0/24"`},
		"etc/containerd.toml":        {`address = "` + runtimeSock + `"`},
	} {
		text := read(t, two, file)
		for _, p := range parts {
			if !strings.Contains(text, p) {
				t.Errorf("%s does not hold %q:\n%s", file, p, text)
			}
		}
		if strings.Contains(text, "{{") || strings.Contains(text, "<no value>") {
			t.Errorf("%s is not rendered:\n%s", file, text)
		}
	}
	if !json.Valid([]byte(read(t, one, "etc/cni/10-bridge.conflist"))) {
		t.Error("the pod network's file is not JSON")
	}
}

func read(t *testing.T, c Config, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(c.Dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestSocketsFit: the kernel takes 107 bytes of a unix socket's path.
func TestSocketsFit(t *testing.T) {
	for _, driver := range []string{Driver, PlainDriver} {
		for _, path := range []string{driverSocket(driver), filepath.Join(kubeletDir, "plugins_registry", driver+"-reg.sock")} {
			if len(path) > 107 {
				t.Errorf("%s has %d bytes", path, len(path))
			}
		}
	}
}

func TestComponentsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, component := range config(t, "dev", 0).components(nil) {
		if seen[component.Name] {
			t.Errorf("two components are called %s", component.Name)
		}
		seen[component.Name] = true
	}
	if len(seen) != 15 {
		t.Errorf("%d components: %v", len(seen), seen)
	}
}

func TestRunningIsWhatTheSupervisorShows(t *testing.T) {
	c := config(t, "dev", 0)
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b := &board{home: c.Dir, running: map[string]int{"a": 0, "b": 0}}
	if err := b.show("a", 7); err != nil {
		t.Fatal(err)
	}
	got, err := c.Running()
	if err != nil || got["a"] != 7 || got["b"] != 0 || len(got) != 2 {
		t.Fatalf("got %v, %v", got, err)
	}
	for range 2 {
		if err := c.ForgetRunning(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Running(); err == nil {
		t.Fatal("an earlier run is still shown")
	}
}

// TestKeepStartsAgain runs a program that ends at once and counts its runs.
func TestKeepStartsAgain(t *testing.T) {
	dir := t.TempDir()
	runs := filepath.Join(dir, "runs")
	ctx, cancel := context.WithCancel(context.Background())
	b := &board{home: dir, running: map[string]int{}}
	if err := os.Mkdir(filepath.Join(dir, "log"), 0o755); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.keep(ctx, Component{Name: "brief", Args: []string{"sh", "-c", "echo run >> " + runs}})
	}()
	deadline := time.Now().Add(time.Minute)
	for {
		data, _ := os.ReadFile(runs)
		if strings.Count(string(data), "run") >= 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("runs: %q", data)
		}
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	<-ended
}
