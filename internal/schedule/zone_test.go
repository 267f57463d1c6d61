package schedule

import (
	"strings"
	"testing"
	"time"
)

func TestZone(t *testing.T) {
	for name, want := range map[string]string{
		"": "UTC", "UTC": "Etc/UTC", "Coordinated Universal Time": "UTC", "utc": "Etc/UTC",
		"W. Europe Standard Time": "Europe/Berlin", "w. europe standard time": "Europe/Berlin", "Europe/Berlin": "Europe/Berlin", "europe/berlin": "Europe/Berlin",
		"India Standard Time": "Asia/Calcutta", "Asia/Kolkata": "Asia/Kolkata", "Pacific Standard Time": "America/Los_Angeles",
		"Lord Howe Standard Time": "Australia/Lord_Howe", "UTC-11": "Etc/GMT+11", " Tokyo Standard Time ": "Asia/Tokyo",
	} {
		zone, err := Zone(name)
		if err != nil || zone.String() != want {
			t.Errorf("Zone(%q) = %v, %v; want %s", name, zone, err, want)
		}
	}
}

func TestUnknownZoneSuggests(t *testing.T) {
	for name, want := range map[string]string{
		"W Europe Standard Time": `"W. Europe Standard Time"`, "Europe/Berln": `"Europe/Berlin"`, "Berlin": `"Europe/Berlin"`,
		"Eastern Standart Time": `"Eastern Standard Time"`, "los angeles": `"America/Los_Angeles"`,
		"Local": "not known", "localtime": "not known", "posixrules": "not known", "right/Europe/Berlin": "not known", "posix/Europe/Berlin": "not known", "zone.tab": "not known",
		"../../etc/passwd": "not known", strings.Repeat("x", 10_000): "not known", "\x00": "not known",
	} {
		zone, err := Zone(name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Zone(%.30q) = %v, %v; want %s", name, zone, err, want)
		}
	}
}

// Every zone of the table is one that the program itself knows.
func TestEveryWindowsZoneIsThere(t *testing.T) {
	for windows, iana := range windowsZones {
		if _, err := time.LoadLocation(iana); err != nil {
			t.Errorf("%s: %v", windows, err)
		}
	}
	if len(windowsZones) < 140 {
		t.Errorf("only %d zones", len(windowsZones))
	}
}

func FuzzZone(f *testing.F) {
	f.Add("Eastern Standard Time")
	f.Add("Europe/Berlin")
	f.Fuzz(func(t *testing.T, name string) {
		zone, err := Zone(name)
		if (zone == nil) == (err == nil) {
			t.Errorf("%q: %v, %v", name, zone, err)
		}
	})
}
