package collect

import (
	"bytes"
	"fmt"
	"strconv"

	kjson "sigs.k8s.io/json"
)

// object is one object as the server sent it, with the few fields that
// decisions need. The bytes are never decoded and encoded again, so that no
// number loses digits and no field is lost.
type object struct {
	raw  []byte
	meta meta
}

type meta struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Metadata   objectMeta `json:"metadata"`
}

type objectMeta struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	UID               string            `json:"uid"`
	DeletionTimestamp string            `json:"deletionTimestamp"`
	Labels            map[string]string `json:"labels"`
	Annotations       map[string]string `json:"annotations"`
	OwnerReferences   []owner           `json:"ownerReferences"`
}

type owner struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Controller bool   `json:"controller"`
}

// controller is the owner that manages the object, if any.
func (m objectMeta) controller() (owner, bool) {
	for _, o := range m.OwnerReferences {
		if o.Controller {
			return o, true
		}
	}
	return owner{}, false
}

// newObject reads an item of a list. Items of built-in kinds come without their
// type, which is written in front of the other fields.
func newObject(r Resource, raw []byte) (object, error) {
	o := object{raw: raw}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &o.meta); err != nil {
		return o, fmt.Errorf("read an object of kind %s: %w", r, err)
	}
	if o.meta.Metadata.Name == "" {
		return o, fmt.Errorf("read an object of kind %s: it has no name", r)
	}
	if o.meta.APIVersion == "" || o.meta.Kind == "" {
		o.raw = withType(r, o.meta, raw)
		o.meta.APIVersion, o.meta.Kind = r.apiVersion(), r.Kind
	}
	return o, nil
}

func withType(r Resource, m meta, raw []byte) []byte {
	var typed bytes.Buffer
	typed.Grow(len(raw) + 80)
	typed.WriteByte('{')
	if m.Kind == "" {
		typed.WriteString(`"kind":` + strconv.Quote(r.Kind) + `,`)
	}
	if m.APIVersion == "" {
		typed.WriteString(`"apiVersion":` + strconv.Quote(r.apiVersion()) + `,`)
	}
	typed.Write(bytes.TrimLeft(raw, " \t\r\n")[1:])
	return typed.Bytes()
}

// decode reads more fields of the object into v.
func (o object) decode(v any) error {
	if err := kjson.UnmarshalCaseSensitivePreserveInts(o.raw, v); err != nil {
		return fmt.Errorf("read %s %s/%s: %w", o.meta.Kind, o.meta.Metadata.Namespace, o.meta.Metadata.Name, err)
	}
	return nil
}
