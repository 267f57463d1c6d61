// Package connector installs, upgrades and removes the extensions that are
// declared at the service.
//
//	service --InstallExtension--> Handler (extension-agent)
//	             Extension object + values Secret in kube-system
//	                 -> Operator (extension-operator): steps, in order
//	                    alone -> preflight -> namespace -> apply -> ready
//	             <- status, problems with what to do about them
//
// The two are apart so that the one that talks to the outside holds hardly any
// right in the cluster, and the one that holds rights talks to nobody.
package connector
