package rescue_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/cli"
	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/rescue/rescuetest"
)

const (
	instance = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v/backupInstances/shop"
	uid      = "00112233445566778899aabbccddeeff"
	pointA   = "aa000000000000000000000000000001"
	pointB   = "bb000000000000000000000000000002"
)

// stand is a bucket with two recovery points, of which the first lies in both
// tiers.
type stand struct {
	*rescuetest.Bucket
	image string
	files map[string]string
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{Bucket: rescuetest.New(t), files: map[string]string{"etc/app.conf": "answer = 42\n", "big": strings.Repeat("0123456789abcdef", 200_000)}}
	s.image = rescuetest.Image(t, s.files)
	objects := map[string]string{"wide/core/Namespace/shop": `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","uid":"u"}}`}
	for i := range 300 {
		key, object := rescuetest.Deployment("shop", fmt.Sprintf("web-%03d", i))
		objects[key] = object
	}
	made := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	vault := s.Repository(t, "vaults/ffeeddccbbaa99887766554433221100/"+uid+"/", uid, "vault-"+uid)
	operational := s.Repository(t, "repositories/"+uid+"/", uid, uid)
	rescuetest.Write(t, operational, rescuetest.Content{Manifest: rescuetest.Manifest(pointA, instance, made, "shop"), Objects: objects})
	for id, at := range map[string]time.Time{pointA: made, pointB: made.Add(time.Hour)} {
		rescuetest.Write(t, vault, rescuetest.Content{Manifest: rescuetest.Manifest(id, instance, at, "shop"), Objects: objects,
			Images: map[string]string{"shop/data": s.image}})
	}
	return s
}

// run runs a command and returns its exit code.
func (s *stand) run(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	c := &console.Console{In: strings.NewReader(""), Out: &o, Err: &e, ConfigPath: filepath.Join(s.Dir, "none.yaml")}
	args = append([]string{"rescue"}, args...)
	code = cli.Run(context.Background(), c, "test", append(args, "--store", s.URL(), "--key-file", s.KeyFile))
	return code, o.String(), e.String()
}

func (s *stand) must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := s.run(args...)
	if code != 0 {
		t.Fatalf("%v: exit %d\n%s", args, code, errs)
	}
	return out
}

func TestRescue(t *testing.T) {
	s := newStand(t)
	t.Run("list", func(t *testing.T) {
		var rows []struct {
			ID, Instance, Repository, State string
			Objects                         int64
			Volumes, Snapshots              int
		}
		if err := json.Unmarshal([]byte(s.must(t, "list")), &rows); err != nil {
			t.Fatal(err)
		}
		if len(rows) != 3 || rows[1].ID != pointB || rows[1].Volumes != 1 || rows[1].Snapshots != 1 || rows[1].Objects != 301 ||
			rows[0].Snapshots != 2 || rows[0].Volumes != 0 || rows[2].Instance != instance || rows[2].State != "readable" {
			t.Errorf("%+v", rows)
		}
		if table := s.must(t, "list", "-o", "table", "--prefix", "repositories/"); strings.Count(table, "\n") != 2 || !strings.Contains(table, "NAMESPACES") {
			t.Errorf("table:\n%s", table)
		}
	})
	t.Run("verify", func(t *testing.T) {
		for _, how := range []string{"--structure", "--full", "--sample=50%"} {
			if out := s.must(t, "verify", how); strings.Count(out, `"whole"`) != 3 {
				t.Errorf("%s: %s", how, out)
			}
		}
		if out := s.must(t, "verify", "bb"); strings.Count(out, `"whole"`) != 1 {
			t.Errorf("one: %s", out)
		}
	})
	t.Run("show and browse", func(t *testing.T) {
		if out := s.must(t, "show", "bb"); !strings.Contains(out, "volumes/shop/data") {
			t.Error(out)
		}
		for _, kind := range []string{"deployment", "deployments", "deployments.apps", "apps/Deployment"} {
			if out := s.must(t, "browse", "bb", "--kind", kind, "--query", "length(@)"); out != "300\n" {
				t.Errorf("%s: %s", kind, out)
			}
		}
		if out := s.must(t, "browse", "aa", "/etc", "--volume", "shop/data", "--query", "[].name"); !strings.Contains(out, "app.conf") {
			t.Error(out)
		}
	})
	t.Run("objects", func(t *testing.T) {
		out := s.must(t, "extract", "bb", "--object", "deployment/shop/web-007", "--object", "Namespace/shop", "--clean")
		if strings.Contains(out, "uid") || strings.Contains(out, "status") || !strings.Contains(out, "replicas: 3") || strings.Count(out, "---\n") != 2 {
			t.Error(out)
		}
		if raw := s.must(t, "extract", "bb", "--object", "apps/Deployment/shop/web-007"); !strings.Contains(raw, "readyReplicas: 3") {
			t.Error(raw)
		}
		dir := filepath.Join(t.TempDir(), "objects")
		s.must(t, "extract", "bb", "--all", "--to", dir)
		found, _ := filepath.Glob(filepath.Join(dir, "shop/Deployment.apps/*.yaml"))
		if _, err := os.Stat(filepath.Join(dir, "_cluster/Namespace/shop.yaml")); err != nil || len(found) != 300 {
			t.Errorf("%d files, %v", len(found), err)
		}
	})
	t.Run("volume and files", func(t *testing.T) {
		dir := t.TempDir()
		to := filepath.Join(dir, "data.img")
		s.must(t, "extract", "aa", "--volume", "shop/data", "--to", to)
		want, _ := os.ReadFile(s.image)
		if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, want) {
			t.Errorf("the image is another: %v", err)
		}
		if out := s.must(t, "extract", "bb", "--volume", "shop/data", "--file", "/etc/app.conf", "--to", "-"); out != s.files["etc/app.conf"] {
			t.Errorf("file: %q", out)
		}
		s.must(t, "extract", "bb", "--volume", "shop/data", "--file", "/", "--to", filepath.Join(dir, "all"))
		for name, content := range s.files {
			if got, err := os.ReadFile(filepath.Join(dir, "all", name)); err != nil || string(got) != content {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
	})
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	s := newStand(t)
	exists := filepath.Join(t.TempDir(), "exists")
	if err := os.WriteFile(exists, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"no such recovery point":         {"show", "cc"},
		"in the cluster's own storage":   {"extract", "bb", "--volume", "shop/cache", "--to", "x"},
		"no such volume":                 {"browse", "bb", "--volume", "shop/none"},
		"give --overwrite":               {"extract", "bb", "--volume", "shop/data", "--to", exists},
		"see 'holdfast rescue browse'":   {"extract", "bb", "--object", "Secret/shop/none"},
		"no repository lies in":          {"list", "--prefix", "elsewhere/"},
		"give one of --object":           {"extract", "bb"},
		"not a share":                    {"verify", "--sample", "many"},
		"file does not exist":            {"browse", "bb", "/none", "--volume", "shop/data"},
		"give one of --structure":        {"verify", "--full", "--sample", "3%"},
		"give one of --key-file":         {"list", "--data-key-file", "x"},
		"is not kind/namespace/name":     {"extract", "bb", "--object", "x"},
		"PATH needs --volume":            {"browse", "bb", "/etc"},
		"--namespace and --kind go with": {"extract", "bb", "--object", "a/b", "--kind", "c"},
	} {
		if code, out, errs := s.run(args...); code == 0 || !strings.Contains(errs, want) {
			t.Errorf("%v: exit %d, %q, want %q\n%s", args, code, errs, want, out)
		}
	}
	if got, _ := os.ReadFile(exists); string(got) != "mine" {
		t.Error("a file was written over")
	}
	s.KeyFile += "-none"
	if code, _, errs := s.run("list"); code == 0 || !strings.Contains(errs, "no such file") {
		t.Errorf("without a key file: %d %s", code, errs)
	}
	if _, err := os.Stat(s.KeyFile); err == nil {
		t.Error("a key file was made")
	}
}
