package sidecar

import (
	"context"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// user is who a token belongs to, as reviews tell and take it.
type user struct {
	Username string              `json:"username,omitempty"`
	UID      string              `json:"uid,omitempty"`
	Groups   []string            `json:"groups,omitempty"`
	Extra    map[string][]string `json:"extra,omitempty"`
}

// allow checks that the token is meant for this service and that its owner may
// read the snapshots of the namespace.
func (s *Server) allow(ctx context.Context, token, namespace string) error {
	var review struct {
		Status struct {
			Authenticated bool
			Audiences     []string
			User          user
		}
	}
	err := s.api.Post(ctx, "/apis/authentication.k8s.io/v1/tokenreviews", map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
		"spec": map[string]any{"token": token, "audiences": []string{s.driver}}}, &review)
	if err != nil {
		return status.Errorf(codes.Internal, "review the token: %v", err)
	}
	if !review.Status.Authenticated || !slices.Contains(review.Status.Audiences, s.driver) {
		return status.Error(codes.Unauthenticated, "the token is not valid here")
	}
	who := review.Status.User
	var access struct {
		Status struct {
			Allowed, Denied bool
			Reason          string
		}
	}
	err = s.api.Post(ctx, "/apis/authorization.k8s.io/v1/subjectaccessreviews", map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
		"spec": map[string]any{"user": who.Username, "uid": who.UID, "groups": who.Groups, "extra": who.Extra,
			"resourceAttributes": map[string]string{"verb": "get", "group": "snapshot.storage.k8s.io", "version": "v1",
				"resource": "volumesnapshots", "namespace": namespace}}}, &access)
	if err != nil {
		return status.Errorf(codes.Internal, "review the access: %v", err)
	}
	if !access.Status.Allowed || access.Status.Denied {
		return status.Errorf(codes.PermissionDenied, "%s may not read snapshots in %s: %s", who.Username, namespace, access.Status.Reason)
	}
	return nil
}
