package objstoretest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

func TestMemory(t *testing.T) {
	objstoretest.Run(t, func(*testing.T) objstore.Store { return &objstoretest.Memory{} })
}

func TestAPartOfABucket(t *testing.T) {
	objstoretest.Run(t, func(t *testing.T) objstore.Store {
		bucket := &objstoretest.Memory{}
		for _, name := range []string{"other/a", "pa", "part0"} { // around the part
			if err := bucket.Put(t.Context(), name, strings.NewReader(""), 0); err != nil {
				t.Fatal(err)
			}
		}
		return objstore.Sub(objstore.Sub(bucket, "part/"), "of/")
	})
}

func TestFakesThatKeepThePromises(t *testing.T) {
	for name, newStore := range map[string]func(*testing.T) objstore.Store{
		"slow": func(*testing.T) objstore.Store {
			return objstoretest.Slow(&objstoretest.Memory{}, func(objstoretest.Call) time.Duration { return time.Microsecond })
		},
		"faultless": func(*testing.T) objstore.Store {
			return objstoretest.Faulty(&objstoretest.Memory{}, func(objstoretest.Call) objstoretest.Fault { return objstoretest.Fault{} })
		},
	} {
		t.Run(name, func(t *testing.T) { objstoretest.Run(t, newStore) })
	}
	for _, size := range []int{1, 2, 1000} {
		t.Run(fmt.Sprintf("page size %d", size), func(t *testing.T) {
			objstoretest.Run(t, func(*testing.T) objstore.Store { return objstoretest.Paged(&objstoretest.Memory{}, size) })
		})
	}
}
