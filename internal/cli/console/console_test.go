package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"holdfast.dev/holdfast/client"
)

func TestSpreadLists(t *testing.T) {
	lists := map[string]bool{"roles": true, "tags": true}
	for name, tc := range map[string]struct{ in, want string }{
		"no list flag":       {"a --name x", "a --name x"},
		"one word":           {"--roles a", "--roles=a"},
		"several words":      {"--roles a b --name x", "--roles=a --roles=b --name x"},
		"two lists":          {"--roles a b --tags k=v l=w", "--roles=a --roles=b --tags=k=v --tags=l=w"},
		"empty list":         {"--roles --name x", "--roles= --name x"},
		"empty list at end":  {"--name x --roles", "--name x --roles="},
		"with an equal sign": {"--roles=a --name x", "--roles=a --name x"},
		"short flag ends it": {"--roles a -n x", "--roles=a -n x"},
	} {
		t.Run(name, func(t *testing.T) {
			got := SpreadLists(strings.Fields(tc.in), lists)
			if !reflect.DeepEqual(got, strings.Fields(tc.want)) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// Tables are for people; other forms keep every digit.
func TestTablesLeaveOutFractionsOfSeconds(t *testing.T) {
	rows := []map[string]any{{"start": "2026-11-23T07:51:30.0741465Z", "took": "PT1M1.64625S", "rule": "P7D", "version": "1.2.3"}}
	cols := []Column{{"start", "start"}, {"took", "took"}, {"rule", "rule"}, {"version", "version"}}
	if got := printed(t, Console{Output: "table"}, rows, cols...); !strings.Contains(got, "2026-11-23T07:51:30Z   PT1M1S   P7D    1.2.3") {
		t.Error(got)
	}
	if got := printed(t, Console{Output: "csv"}, rows, cols...); !strings.Contains(got, "2026-11-23T07:51:30.0741465Z,PT1M1.64625S") {
		t.Error(got)
	}
}

func printed(t *testing.T, c Console, value any, cols ...Column) string {
	t.Helper()
	var out bytes.Buffer
	c.Out = &out
	if err := c.Print(value, cols...); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPrint(t *testing.T) {
	raw := json.RawMessage(`[{"name":"a","p":{"n":3,"ok":true}},{"name":"bb","p":{"n":1.5,"ok":null}}]`)
	cols := []Column{{"name", "name"}, {"number", "p.n"}}
	for name, tc := range map[string]struct {
		c    Console
		want string
	}{
		"table":      {Console{Output: "table"}, "NAME   NUMBER\na      3\nbb     1.5\n"},
		"json":       {Console{Query: "[0].p.n"}, "3\n"},
		"csv":        {Console{Output: "csv"}, "name,number\na,3\nbb,1.5\n"},
		"csv rows":   {Console{Output: "csv", Query: "[].[name, p.n]"}, "a,3\nbb,1.5\n"},
		"tsv list":   {Console{Output: "tsv", Query: "[].name"}, "a\nbb\n"},
		"tsv rows":   {Console{Output: "tsv", Query: "[].[name, p.n]"}, "a\t3\nbb\t1.5\n"},
		"tsv scalar": {Console{Output: "tsv", Query: "[0].p.ok"}, "true\n"},
		"yaml":       {Console{Output: "yaml", Query: "[1].p"}, "\"n\": 1.5\nok: null\n"},
		"none":       {Console{Output: "none"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := printed(t, tc.c, raw, cols...); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPrintNothing(t *testing.T) {
	if got := printed(t, Console{Output: "table"}, []string{}, Column{"a", "a"}); got != "(none)\n" {
		t.Errorf("empty list: %q", got)
	}
	if got := printed(t, Console{}, json.RawMessage(nil)); got != "" {
		t.Errorf("no result: %q", got)
	}
}

func TestPrintRefusesBadFormatAndQuery(t *testing.T) {
	for _, c := range []Console{{Output: "xml"}, {Query: "[["}} {
		c.Out = &bytes.Buffer{}
		var usage *UsageError
		if err := c.Print([]int{1}); !errors.As(err, &usage) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for want, err := range map[int]error{
		ExitOK: nil, ExitUsage: Usage("x"), ExitNotFound: fmt.Errorf("wrapped: %w", &client.Error{Status: 404}),
		ExitFailed: &client.Error{Status: 409}, ExitStopped: context.Canceled,
	} {
		if got := ExitCode(err); got != want {
			t.Errorf("%v: exit %d, want %d", err, got, want)
		}
	}
}

func TestExplainGivesCodeAndRemedy(t *testing.T) {
	text := Explain(&client.Error{Code: "C", Message: "m", Actions: []string{"do this", "or that"}})
	for _, want := range []string{"error: m", "code: C", "what to do: do this", "what to do: or that"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
}

func TestContexts(t *testing.T) {
	c := &Console{ConfigPath: filepath.Join(t.TempDir(), "sub", "config.yaml")}
	if _, err := c.Context(); err == nil || !strings.Contains(err.Error(), "holdfast login") {
		t.Errorf("without a context: %v", err)
	}
	cfg := &Config{}
	cfg.Set(Context{Name: "a", Address: "https://a", Subscription: "s"})
	cfg.Set(Context{Name: "b", Address: "https://b", Subscription: "s", ResourceGroup: "g", Vault: "v", ClientSecret: "x"})
	if err := c.SaveConfig(cfg); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(c.ConfigPath)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with secrets: %v %v", info.Mode(), err)
	}
	want := "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v"
	if got, err := c.VaultPath(); err != nil || got != want {
		t.Errorf("vault path %q %v", got, err)
	}
	c.ContextName = "a"
	if _, err := c.VaultPath(); err == nil || !strings.Contains(err.Error(), "--resource-group") {
		t.Errorf("missing default: %v", err)
	}
	c.Group, c.Vault = "G", "V"
	if got, err := c.VaultPath(); err != nil || !strings.HasSuffix(got, "/resourceGroups/G/providers/Microsoft.DataProtection/backupVaults/V") {
		t.Errorf("flags win: %q %v", got, err)
	}
}

func TestReadJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(file, []byte(`{"a":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Console{In: strings.NewReader(`{"a":1}`)}
	for _, arg := range []string{file, "@" + file, `{"a":1}`, "-"} {
		if m, err := c.ReadJSON(arg); err != nil || m["a"] != 1.0 {
			t.Errorf("%s: %v %v", arg, m, err)
		}
	}
	for _, arg := range []string{"no-such-file", "{broken"} {
		var usage *UsageError
		if _, err := c.ReadJSON(arg); !errors.As(err, &usage) {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

func TestConfirmNeedsYesWithoutTerminal(t *testing.T) {
	c := &Console{In: strings.NewReader(""), Err: &bytes.Buffer{}}
	var usage *UsageError
	if err := c.ask("holdfast x delete"); !errors.As(err, &usage) || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("got %v", err)
	}
}

func TestBytesAndBar(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 5 << 30: "5.0 GiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	for share, want := range map[float64]string{-1: "[    ]", 0.5: "[==  ]", 2: "[====]"} {
		if got := Bar(share, 4); got != want {
			t.Errorf("%v: %s", share, got)
		}
	}
}
