package main

import (
	"slices"
	"testing"
)

func TestSplitName(t *testing.T) {
	cases := []struct {
		args []string
		name string
		rest []string
	}{
		{nil, "dev", nil},
		{[]string{"get", "pods"}, "dev", []string{"get", "pods"}},
		{[]string{"--name", "two", "get", "pods"}, "two", []string{"get", "pods"}},
		{[]string{"--name=two", "get"}, "two", []string{"get"}},
		{[]string{"create", "--name", "kubectl's"}, "dev", []string{"create", "--name", "kubectl's"}},
		{[]string{"--name"}, "dev", []string{"--name"}},
	}
	for _, c := range cases {
		if name, rest := splitName(c.args); name != c.name || !slices.Equal(rest, c.rest) {
			t.Errorf("splitName(%q) = %q, %q", c.args, name, rest)
		}
	}
}
