package snapshot

import (
	"testing"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func aClass(name, driver string, isDefault bool) snapshotv1.VolumeSnapshotClass {
	c := snapshotv1.VolumeSnapshotClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Driver: driver}
	if isDefault {
		c.Annotations = map[string]string{defaultAnnotation: "true"}
	}
	return c
}

func TestChooseClass(t *testing.T) {
	type classes = []snapshotv1.VolumeSnapshotClass
	for _, c := range []struct {
		name        string
		annotations map[string]string
		classes     classes
		want, code  string
	}{
		{"only one", nil, classes{aClass("a", "d", false), aClass("x", "other", true)}, "a", ""},
		{"default", nil, classes{aClass("a", "d", false), aClass("b", "d", true)}, "b", ""},
		{"two defaults", nil, classes{aClass("a", "d", true), aClass("b", "d", true)}, "", CodeClassAmbiguous},
		{"no default", nil, classes{aClass("a", "d", false), aClass("b", "d", false)}, "", CodeClassAmbiguous},
		{"none", nil, nil, "", CodeClassMissing},
		{"none of the driver", nil, classes{aClass("x", "other", true)}, "", CodeClassMissing},
		{"named", map[string]string{ClassAnnotation: "a"}, classes{aClass("a", "d", false), aClass("b", "d", true)}, "a", ""},
		{"named as for Velero", map[string]string{veleroClassAnnotation: "a"}, classes{aClass("a", "d", false), aClass("b", "d", true)}, "a", ""},
		{"named twice", map[string]string{ClassAnnotation: "b", veleroClassAnnotation: "a"}, classes{aClass("a", "d", false), aClass("b", "d", false)}, "b", ""},
		{"named settles two defaults", map[string]string{ClassAnnotation: "a"}, classes{aClass("a", "d", true), aClass("b", "d", true)}, "a", ""},
		{"named of another driver", map[string]string{ClassAnnotation: "x"}, classes{aClass("x", "other", true), aClass("a", "d", true)}, "", CodeClassMismatch},
		{"named but not there", map[string]string{ClassAnnotation: "y"}, classes{aClass("a", "d", true)}, "", CodeClassMissing},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, refused := chooseClass(c.annotations, "d", c.classes)
			code := ""
			if refused != nil {
				code = refused.code
				if refused.reason == "" || actions[code] == "" {
					t.Errorf("%s without reason or advice", code)
				}
			}
			if got != c.want || code != c.code {
				t.Errorf("got %q %q", got, code)
			}
		})
	}
}
