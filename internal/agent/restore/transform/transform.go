// Package transform turns an object as it was backed up into an object that
// can be created again, perhaps in a namespace of another name.
//
// Everything here is pure: an object goes in as decoded JSON, is changed in
// place, and notes come back about what a person should know. The rules stand
// one file per family of kinds:
//
//	metadata.go    what the server owns, finalizers
//	references.go  namespace names inside any object
//	lastapplied.go what kubectl remembers
//	pods.go jobs.go services.go claims.go access.go network.go
//	mutable.go     what may still be changed on an object that exists
//
// Ownership of fields (managedFields) is not brought back: the server throws
// it away on create, so every field of a restored object belongs to the
// manager that created it. A later server-side apply of equal values has no
// conflict; one that changes a value must be forced once.
package transform

// Rules is what the rewriting of one restore depends on. The zero value maps
// no namespace and drops every finalizer.
type Rules struct {
	// Namespaces maps names in the backup to names in the cluster; a name that
	// is not in it stays.
	Namespaces map[string]string
	// KeepFinalizer says whether something in the target cluster will remove a
	// finalizer when its object is deleted; nil means no.
	KeepFinalizer func(finalizer string) bool
}

// Note is one thing a person should know about a rewritten object.
type Note struct {
	Code    string
	Message string
}

// Codes of notes.
const (
	CodeFinalizerDropped  = "FinalizerDropped"
	CodeHostnamesShared   = "HostnamesShared"
	CodeHelmNamespace     = "HelmReleaseKeepsNamespace"
	CodeNamespaceLeft     = "NamespaceReferenceLeft"
	CodeAddressDropped    = "LoadBalancerAddressDropped"
	CodeJobSuspended      = "JobRestoredSuspended"
	CodeLastAppliedBroken = "LastAppliedUnreadable"
)

type object struct {
	rules Rules
	body  map[string]any
	group string
	kind  string
	notes []Note
}

func (o *object) note(code, message string) {
	o.notes = append(o.notes, Note{Code: code, Message: message})
}

// mapped says whether the object itself moves to a namespace of another name.
func (o *object) mapped() bool {
	from := text(o.body, "metadata", "namespace")
	return o.rules.Namespace(from) != from
}

// Namespace returns the name in the cluster of a namespace in the backup.
func (r Rules) Namespace(name string) string {
	if to, ok := r.Namespaces[name]; ok {
		return to
	}
	return name
}

var families = map[string]func(*object){
	"/Namespace":                            namespace,
	"/Pod":                                  pod,
	"/Service":                              service,
	"/Endpoints":                            endpoints,
	"discovery.k8s.io/EndpointSlice":        endpointSlice,
	"/PersistentVolumeClaim":                claim,
	"/Secret":                               secret,
	"/ServiceAccount":                       account,
	"apps/Deployment":                       deployment,
	"batch/Job":                             job,
	"rbac.authorization.k8s.io/RoleBinding": binding,
	"rbac.authorization.k8s.io/ClusterRoleBinding":  binding,
	"networking.k8s.io/Ingress":                     ingress,
	"route.openshift.io/Route":                      route,
	"gateway.networking.k8s.io/HTTPRoute":           httpRoute,
	"gateway.networking.k8s.io/TLSRoute":            httpRoute,
	"gateway.networking.k8s.io/GRPCRoute":           httpRoute,
	"apiextensions.k8s.io/CustomResourceDefinition": definition,
	"argoproj.io/Application":                       application,
}

// Apply rewrites one object in place and returns what a person should know.
// Its owner references are gone afterwards: the caller sets them again when
// the owners' new UIDs are known.
func (r Rules) Apply(body map[string]any) []Note {
	o := &object{rules: r, body: body}
	o.group, o.kind = GroupKind(body)
	delete(body, "status")
	if family, ok := families[o.group+"/"+o.kind]; ok {
		family(o)
	}
	if len(r.Namespaces) > 0 {
		o.lastApplied()
		o.references(body)
		o.annotationReferences()
		o.leftovers()
	}
	o.metadata()
	return o.notes
}
