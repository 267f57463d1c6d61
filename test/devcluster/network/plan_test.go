package network

import (
	"net/netip"
	"testing"
)

func TestPlansDoNotMeet(t *testing.T) {
	host, services := netip.MustParseAddr(HostAddress), netip.MustParsePrefix(ServiceCIDR)
	links := map[string]int{}
	var all []Plan
	for i := range MaxClusters {
		p, err := NewPlan(i)
		if err != nil {
			t.Fatal(err)
		}
		if j, taken := links[p.Link()]; taken || len(p.Link()) > 15 {
			t.Fatalf("link %q of %d is too long or also that of %d", p.Link(), i, j)
		}
		links[p.Link()] = i
		if p.NodeAddress() == host || p.PodCIDR().Overlaps(services) || p.PodCIDR().Contains(p.NodeAddress()) {
			t.Fatalf("plan %d collides: %s %s", i, p.NodeAddress(), p.PodCIDR())
		}
		for _, q := range all {
			if p.NodeAddress() == q.NodeAddress() || p.PodCIDR().Overlaps(q.PodCIDR()) {
				t.Fatalf("plans %d and %d share addresses", p.Index, q.Index)
			}
		}
		all = append(all, p)
	}
}

func TestFixedAddressesAreServiceAddresses(t *testing.T) {
	services := netip.MustParsePrefix(ServiceCIDR)
	for _, a := range []string{APIServiceAddress, DNSAddress} {
		if !services.Contains(netip.MustParseAddr(a)) {
			t.Errorf("%s is not in %s", a, ServiceCIDR)
		}
	}
}

func TestNewPlanRefusesOtherIndexes(t *testing.T) {
	for _, i := range []int{-1, MaxClusters, 255} {
		if _, err := NewPlan(i); err == nil {
			t.Errorf("index %d was accepted", i)
		}
	}
}
