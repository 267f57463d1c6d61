package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func isGone(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsGone(err) }

// transient says whether the same request may succeed a little later: the
// server is busy, a webhook has no endpoint yet, a connection broke, the
// account controller has not made the default account.
func transient(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true // no answer
	}
	switch {
	case apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsTooManyRequests(err),
		apierrors.IsInternalError(err), apierrors.IsServiceUnavailable(err), apierrors.IsConflict(err),
		apierrors.IsUnexpectedServerError(err):
		return true
	}
	message := err.Error()
	return strings.Contains(message, "error looking up service account") ||
		strings.Contains(message, "failed calling webhook") ||
		strings.Contains(message, "no matches for kind")
}

// portTaken says whether a Service was refused for a port or an address that
// another has. The server says so as Invalid or as an internal error.
func portTaken(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "provided port is already allocated") ||
		strings.Contains(err.Error(), "provided IP is already allocated"))
}

// refusal is the result line's code of an error that stays.
func refusal(err error) string {
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota") {
		return codeQuota
	}
	return codeRefused
}

func encode(body map[string]any) ([]byte, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return encoded, nil
}
