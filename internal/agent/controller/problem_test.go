package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo"
)

func TestProblemOf(t *testing.T) {
	past, cancel := context.WithDeadlineCause(context.Background(), time.Unix(0, 0), errDeadline)
	defer cancel()
	for _, c := range []struct {
		ctx  context.Context
		err  error
		code string
	}{
		{context.Background(), errors.New("surprise"), CodeGeneric},
		{context.Background(), fmt.Errorf("x: %w", objstore.ErrForbidden), CodeLocationDenied},
		{context.Background(), fmt.Errorf("x: %w", objstore.ErrUnavailable), CodeLocationNotReady},
		{context.Background(), fmt.Errorf("x: %w", repo.ErrWrongKey), CodeRepositoryKey},
		{context.Background(), fmt.Errorf("x: %w", repo.ErrVoid), CodePointVoid},
		{context.Background(), fmt.Errorf("x: %w", problem("Own", "act", "m")), "Own"},
		{past, context.DeadlineExceeded, CodeDeadline},
		{past, fmt.Errorf("list: %w", objstore.ErrUnavailable), CodeDeadline}, // why it was stopped says more
	} {
		got := problemOf(c.ctx, "Collect", c.err)
		if got.Code != c.code || got.Message == "" || len(got.Actions) != 1 {
			t.Errorf("%v: %+v", c.err, got)
		}
		if got.Code != "Own" && !strings.Contains(got.Message, "Collect") {
			t.Errorf("%v: the step is missing: %s", c.err, got.Message)
		}
	}
}

func TestEnding(t *testing.T) {
	failed := &agentv1.Problem{Code: "C", Message: "m"}
	for _, c := range []struct {
		err, cause error
		phase      v1alpha1.Phase
		code       string
	}{
		{nil, nil, v1alpha1.PhaseSucceeded, ""},
		{nil, errCancelled, v1alpha1.PhaseSucceeded, ""}, // too late to cancel
		{failed, nil, v1alpha1.PhaseFailed, "C"},
		{failed, errCancelled, v1alpha1.PhaseCancelled, ""},
		{failed, errDeadline, v1alpha1.PhaseFailed, "C"},
		{errors.New("bare"), nil, v1alpha1.PhaseFailed, CodeGeneric},
	} {
		phase, message, problem := ending(c.err, c.cause)
		code := ""
		if problem != nil {
			code = problem.Code
		}
		if phase != c.phase || code != c.code || message == "" {
			t.Errorf("%+v: %s %q %q", c, phase, code, message)
		}
	}
}
