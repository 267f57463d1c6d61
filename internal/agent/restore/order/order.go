// Package order says in which stage of a restore a kind belongs. It is a
// table, and nothing else: what must exist before something else can work
// comes in an earlier stage.
package order

import "strings"

// Stage is a step of a restore. Stages run one after another; the objects of
// one stage are applied at the same time, except that owners among custom
// resources come before what they own.
type Stage int

// Stages in the order in which they run.
const (
	Namespaces  Stage = iota
	Definitions       // custom resource definitions; awaited until served
	Policies          // storage, priority, runtime and ingress classes, cluster roles
	Accounts          // service accounts: a token made before its account is deleted at once
	Access            // secrets, config maps, limit ranges, roles
	Bindings          // role bindings: the server resolves the role they name
	Volumes           // claims, filled and bound before anything can mount them
	Network           // services, endpoints made by hand, network policies
	Custom            // custom resources
	Workloads         // whatever runs pods
	Limits            // autoscalers, disruption budgets, quotas: they can refuse pods
	Rest              // kinds that are in no other stage
	Ingress           // the doors open when the house is furnished
	Gates             // webhooks, admission policies, API services: they can refuse everything
	count
)

var names = [count]string{
	"namespaces", "definitions", "policies", "accounts", "access", "bindings", "volumes", "network",
	"custom resources", "workloads", "limits", "rest", "ingress", "gates",
}

// String returns the stage's name for people.
func (s Stage) String() string {
	if s < 0 || s >= count {
		return "unknown"
	}
	return names[s]
}

// All returns the stages in the order in which they run.
func All() []Stage {
	all := make([]Stage, count)
	for i := range all {
		all[i] = Stage(i)
	}
	return all
}

var stages = map[string]Stage{
	"/Namespace": Namespaces,
	"apiextensions.k8s.io/CustomResourceDefinition": Definitions,

	"storage.k8s.io/StorageClass":                             Policies,
	"storage.k8s.io/CSIDriver":                                Policies,
	"storage.k8s.io/VolumeAttributesClass":                    Policies,
	"scheduling.k8s.io/PriorityClass":                         Policies,
	"node.k8s.io/RuntimeClass":                                Policies,
	"networking.k8s.io/IngressClass":                          Policies,
	"snapshot.storage.k8s.io/VolumeSnapshotClass":             Policies,
	"groupsnapshot.storage.k8s.io/VolumeGroupSnapshotClass":   Policies,
	"rbac.authorization.k8s.io/ClusterRole":                   Policies,
	"flowcontrol.apiserver.k8s.io/FlowSchema":                 Policies,
	"flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration": Policies,
	"gateway.networking.k8s.io/GatewayClass":                  Policies,
	"security.openshift.io/SecurityContextConstraints":        Policies,
	"resource.k8s.io/DeviceClass":                             Policies,

	"/ServiceAccount":                Accounts,
	"/Secret":                        Access,
	"/ConfigMap":                     Access,
	"/LimitRange":                    Access,
	"/PodTemplate":                   Access,
	"apps/ControllerRevision":        Access,
	"rbac.authorization.k8s.io/Role": Access,

	"rbac.authorization.k8s.io/RoleBinding":        Bindings,
	"rbac.authorization.k8s.io/ClusterRoleBinding": Bindings,

	"/PersistentVolume":      Volumes,
	"/PersistentVolumeClaim": Volumes,

	"/Service":                        Network,
	"/Endpoints":                      Network,
	"discovery.k8s.io/EndpointSlice":  Network,
	"networking.k8s.io/NetworkPolicy": Network,

	"/Pod":                                  Workloads,
	"/ReplicationController":                Workloads,
	"apps/Deployment":                       Workloads,
	"apps/ReplicaSet":                       Workloads,
	"apps/StatefulSet":                      Workloads,
	"apps/DaemonSet":                        Workloads,
	"batch/Job":                             Workloads,
	"batch/CronJob":                         Workloads,
	"resource.k8s.io/ResourceClaim":         Network,
	"resource.k8s.io/ResourceClaimTemplate": Network,

	"/ResourceQuota":                           Limits,
	"autoscaling/HorizontalPodAutoscaler":      Limits,
	"policy/PodDisruptionBudget":               Limits,
	"autoscaling.k8s.io/VerticalPodAutoscaler": Limits,

	"networking.k8s.io/Ingress": Ingress,
	"extensions/Ingress":        Ingress,
	"route.openshift.io/Route":  Ingress,

	"apiregistration.k8s.io/APIService": Gates,
}

// Of returns the stage of a kind. A kind outside the table is a custom
// resource when its group looks like one that a definition made, the doors of
// the gateway API are ingress, whatever admits is a gate.
func Of(group, kind string) Stage {
	if stage, ok := stages[group+"/"+kind]; ok {
		return stage
	}
	switch {
	case group == "admissionregistration.k8s.io":
		return Gates
	case group == "gateway.networking.k8s.io":
		return Ingress
	case Platform(group):
		return Rest
	}
	return Custom
}

// Platform says whether a group belongs to the API server itself. Groups of
// definitions that the platform's own projects ship count as custom.
func Platform(group string) bool {
	return !strings.Contains(group, ".") || platform[group]
}

var platform = map[string]bool{
	"admissionregistration.k8s.io": true, "apiextensions.k8s.io": true, "apiregistration.k8s.io": true,
	"authentication.k8s.io": true, "authorization.k8s.io": true, "certificates.k8s.io": true,
	"coordination.k8s.io": true, "discovery.k8s.io": true, "events.k8s.io": true,
	"flowcontrol.apiserver.k8s.io": true, "internal.apiserver.k8s.io": true, "networking.k8s.io": true,
	"node.k8s.io": true, "rbac.authorization.k8s.io": true, "resource.k8s.io": true,
	"scheduling.k8s.io": true, "storage.k8s.io": true, "storagemigration.k8s.io": true,
}
