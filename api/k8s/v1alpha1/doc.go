// Package v1alpha1 holds the custom resources of a protected cluster, group
// holdfast.dev: one run object per operation that the cluster side works on,
// and the Extension that the connector keeps installed.
//
// Run objects live in the extension's namespace under the name RunName gives.
// They carry no secret: the repository's key lies in a Secret beside them that
// is deleted with the operation.
//
// +kubebuilder:object:generate=true
// +groupName=holdfast.dev
package v1alpha1
