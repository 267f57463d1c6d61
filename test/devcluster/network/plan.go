// Package network is the address plan of the clusters on one machine and the
// few commands that lay it out. Every cluster lives in a network namespace of
// its own, joined to the machine by one veth pair:
//
//	machine                         namespace of cluster number i
//	hf<i>  10.89.255.1  <------>  eth0  10.89.i.2
//	                              cni0  10.88.i.1   pods 10.88.i.0/24
//	                                                services 10.96.0.0/16
//
// The machine's end has the same address in every cluster, so a service that
// listens on HostAddress is reached by all of them under one name. There is no
// default route: nothing in a cluster can reach anything but its own pods and
// the machine.
package network

import (
	"fmt"
	"net/netip"
)

const (
	// HostAddress is the machine as every cluster's nodes and pods see it. It
	// exists on the machine while at least one cluster is up.
	HostAddress = "10.89.255.1"
	// ServiceCIDR and DNSAddress are the same in every cluster; they never
	// leave its namespace.
	ServiceCIDR = "10.96.0.0/16"
	// APIServiceAddress is the first service address: `kubernetes.default`.
	APIServiceAddress = "10.96.0.1"
	// DNSAddress is the cluster address of the DNS service.
	DNSAddress = "10.96.0.10"
	// MaxClusters bounds the index; index 255 would collide with HostAddress.
	MaxClusters = 200
)

// Plan is the set of addresses of one cluster. Index is 0 to MaxClusters-1.
type Plan struct {
	Index int
}

// NewPlan returns the plan of cluster number index, or an error out of range.
func NewPlan(index int) (Plan, error) {
	if index < 0 || index >= MaxClusters {
		return Plan{}, fmt.Errorf("cluster index %d is outside 0..%d", index, MaxClusters-1)
	}
	return Plan{Index: index}, nil
}

// NodeAddress is the one node; the API server listens on it, port 6443.
func (p Plan) NodeAddress() netip.Addr {
	return netip.AddrFrom4([4]byte{10, 89, byte(p.Index), 2})
}

// PodCIDR is the range pods get their addresses from.
func (p Plan) PodCIDR() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 88, byte(p.Index), 0}), 24)
}

// Link is the name of the machine's end of the veth pair, at most 15 bytes.
func (p Plan) Link() string {
	return fmt.Sprintf("hf%d", p.Index)
}

// APIServer is the URL of the API server, reachable from the machine too.
func (p Plan) APIServer() string {
	return fmt.Sprintf("https://%s:6443", p.NodeAddress())
}
