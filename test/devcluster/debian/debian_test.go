package debian

import (
	"context"
	"slices"
	"testing"
)

func TestParseURIs(t *testing.T) {
	out := "'http://mirror/z_1%3a2.deb' z_1%3a2_amd64.deb 10 SHA256:aa\nsome notice\n'http://mirror/a.deb' a_1_all.deb 5\n"
	if got, want := parseURIs(out), []string{"a_1_all.deb", "z_1%3a2_amd64.deb"}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestWantedLeavesOutByPackageName(t *testing.T) {
	names := []string{"perl-base_5_amd64.deb", "perl_5_amd64.deb", "libperl5.36_5_amd64.deb"}
	got := wanted("/d", names, []string{"perl"})
	if want := []string{"/d/perl-base_5_amd64.deb", "/d/libperl5.36_5_amd64.deb"}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestMissingNamesWhatIsNotInstalled(t *testing.T) {
	got, err := missing(context.Background(), []string{"dpkg", "surely-no-such-package", "tar"})
	if err != nil || !slices.Equal(got, []string{"surely-no-such-package"}) {
		t.Fatalf("got %v, %v", got, err)
	}
}
