package service

import (
	"net"
	"slices"
	"testing"
)

func TestOptionsAreChecked(t *testing.T) {
	good := Options{DataDir: "d", Advertise: []string{"localhost", "::1"}}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Options){
		"no data directory":  func(o *Options) { o.DataDir = "" },
		"no advertised host": func(o *Options) { o.Advertise = nil },
		"empty host":         func(o *Options) { o.Advertise = []string{""} },
		"a URL as host":      func(o *Options) { o.Advertise = []string{"https://x"} },
		"key without store":  func(o *Options) { o.VaultStoreKey = "k" },
		"certificate alone":  func(o *Options) { o.TLSCert = "c" },
	} {
		bad := good
		spoil(&bad)
		if err := bad.check(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestURLs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	got := Options{Advertise: []string{"a.example", "::1"}}.urls(listener)
	if want := []string{"https://a.example:" + port, "https://[::1]:" + port}; !slices.Equal(got, want) {
		t.Fatalf("urls = %v, want %v", got, want)
	}
}
