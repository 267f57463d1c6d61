package backup

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeepsake(t *testing.T) {
	const vault = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v"
	kept := Keepsake{Vault: Vault{Meta: Meta{ID: vault, Location: "l"}, UID: "1"}, Policy: &Policy{Meta: Meta{ID: vault + "/backupPolicies/p"}},
		Instance:     Instance{Meta: Meta{ID: vault + "/backupInstances/i"}, UID: "2", OperationID: "o", Error: &Problem{}, UserIdentityID: "/identities/a"},
		UserIdentity: &UserIdentity{Meta: Meta{ID: "/identities/A"}, PrincipalID: "principal", ClientID: "client"}, JobID: "j", Tag: "T", ContainerID: "c"}
	text, err := kept.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseKeepsake(text)
	if err != nil {
		t.Fatal(err)
	}
	kept.Version, kept.Instance.OperationID, kept.Instance.Error = 1, "", nil
	if diff := cmp.Diff(kept, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "{}", strings.Replace(text, `"version":1`, `"version":2`, 1), strings.Replace(text, "/backupInstances/i", "/backupInstances/i/x", 1),
		strings.Replace(text, "/identities/A", "/identities/b", 1),
		strings.Replace(text, vault+"/backupPolicies", "/elsewhere", 1), strings.Replace(text, `"uid":"2"`, `"uid":""`, 1)} {
		if _, err := ParseKeepsake(bad); err == nil {
			t.Errorf("taken: %s", bad)
		}
	}
}
