package collect

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestReadPage(t *testing.T) {
	for name, list := range map[string]string{
		"built-in":        `{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"c"},"items":[{"a":9007199254740993},{"b":1.0}]}`,
		"custom resource": `{"apiVersion":"x/v1","items":[{"a":9007199254740993},{"b":1.0}],"kind":"L","metadata":{"continue":"c","remainingItemCount":4,"resourceVersion":"7"}}`,
	} {
		p, err := readPage(strings.NewReader(list))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p.next != "c" || p.revision != "7" || len(p.items) != 2 || p.bytes != 31 {
			t.Errorf("%s: %+v", name, p)
		}
		if string(p.items[0]) != `{"a":9007199254740993}` || string(p.items[1]) != `{"b":1.0}` {
			t.Errorf("%s: bytes changed: %s", name, p.items)
		}
	}
	for _, empty := range []string{`{"items":null}`, `{"items":[]}`, `{}`} {
		if p, err := readPage(strings.NewReader(empty)); err != nil || len(p.items) != 0 {
			t.Errorf("%s: %v %v", empty, p, err)
		}
	}
	for _, broken := range []string{``, `[]`, `{"items":{}}`, `{"items":[{}`, `{"items":[{}]`, `{"metadata":7}`} {
		if _, err := readPage(strings.NewReader(broken)); err == nil {
			t.Errorf("%s was accepted", broken)
		}
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add(`{"metadata":{"continue":"c"},"items":[{"metadata":{"name":"a"}}]}`)
	f.Add(`{"items":null,"x":{}}`)
	f.Fuzz(func(t *testing.T, list string) {
		p, err := readPage(strings.NewReader(list))
		if err != nil {
			return
		}
		for _, item := range p.items {
			o, err := newObject(secret, item)
			if err == nil && (o.meta.Kind == "" || o.meta.APIVersion == "" || o.meta.Metadata.Name == "") {
				t.Fatalf("%s became %s", item, o.raw)
			}
		}
	})
}

func TestNewObjectWritesTheTypeInFront(t *testing.T) {
	o, err := newObject(deployment, []byte(` {"metadata":{"name":"web"},"spec":{"x":12345678901234567890}}`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web"},"spec":{"x":12345678901234567890}}`
	if string(o.raw) != want {
		t.Errorf("got %s", o.raw)
	}
	const typed = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"}}`
	if o, err = newObject(deployment, []byte(typed)); err != nil || string(o.raw) != typed {
		t.Errorf("got %s, %v", o.raw, err)
	}
	if _, err = newObject(deployment, []byte(`{"metadata":{}}`)); err == nil {
		t.Error("an object without a name was accepted")
	}
}

func TestNextLimit(t *testing.T) {
	for _, c := range []struct{ items, bytes, want int }{
		{0, 0, maxPage},
		{50, 50 << 10, maxPage},                    // 1 KiB each
		{50, 50 << 20, minPage},                    // 1 MiB each: 4 would do
		{50, 50 * pageTarget / 100, 100},           // a hundredth of a page each
		{minPage, minPage * pageTarget, minPage},   // one fills a page
		{maxPage, maxPage * (pageTarget / 8), 8},   // an eighth each
		{maxPage, maxPage * pageTarget / 499, 499}, // nearly as many as allowed
	} {
		if got := nextLimit(page{items: make([]json.RawMessage, c.items), bytes: c.bytes}); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
