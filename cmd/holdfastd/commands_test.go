package main

import (
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/service"
)

func TestReport(t *testing.T) {
	var out strings.Builder
	good := service.Finding{Check: "database", Result: service.OK, Detail: "whole"}
	warning := service.Finding{Check: "key file", Result: service.Warning, Detail: "chmod 600"}
	if err := report(&out, []service.Finding{good, warning}); err != nil {
		t.Fatalf("a warning is no failure: %v", err)
	}
	want := "CHECK     RESULT   DETAIL\ndatabase  ok       whole\nkey file  warning  chmod 600\n"
	if out.String() != want {
		t.Errorf("printed\n%s", out.String())
	}
	bad := service.Finding{Check: "store prod", Result: service.Problem, Detail: "gone"}
	if err := report(&out, []service.Finding{good, bad, bad}); err == nil || !strings.HasPrefix(err.Error(), "2 problems") {
		t.Errorf("%v", err)
	}
}
