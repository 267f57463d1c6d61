package provider_test

import (
	"errors"
	"testing"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// strangeSub is a subscription that is not known.
const strangeSub = "/subscriptions/unheardof"

// Why a region's replicas cannot be read is the answer where what is asked for may lie
// among them; the region that is replicated knows all that it has.
func TestUnreadReplicas(t *testing.T) {
	t.Parallel()
	pair := backup.Regions{{Name: "eastus", Paired: "westus"}, {Name: "westus", Replicas: true}}
	both := backup.Regions{{Name: "eastus", Paired: "westus", Replicas: true}, {Name: "westus", Paired: "eastus", Replicas: true}}
	const ask = group + "/providers/Microsoft.DataProtection/locations/westus/fetchSecondaryRecoveryPoints"
	reason := string(backup.CodeVaultStoreUnreachable)
	const missing, nothing = "SubscriptionNotFound", "UserErrorGenericResourceNotFound"
	for name, c := range map[string]struct {
		regions      backup.Regions
		vaultIn      string // region of a vault of this service's own
		unread       string
		subscription string // the answer about an unknown one
		instance     string // and about an unknown instance among the replicas in westus
	}{
		"first region":              {pair, "eastus", "westus", missing, nothing},
		"second region":             {pair, "westus", "westus", reason, reason},
		"second, with no vault":     {pair, "", "westus", reason, reason},
		"first of two that pair":    {both, "eastus", "westus", missing, nothing},
		"first, the other unread":   {both, "eastus", "eastus", reason, nothing},
		"second, the other unread":  {both, "westus", "eastus", missing, nothing},
		"no region any more":        {backup.Regions{{Name: "eastus"}}, "", "westus", missing, nothing},
		"all that can be read was":  {pair, "", "", missing, nothing},
		"all, in the first region":  {pair, "eastus", "", missing, nothing},
		"no regions, an old record": {nil, "eastus", "westus", missing, nothing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldIn(t, c.regions)
			w.update(func(tx catalog.Tx) error {
				var failed error
				if c.vaultIn != "" {
					failed = inventory.Vaults.Put(tx, &backup.Vault{Meta: backup.Meta{ID: vaultAt, Location: c.vaultIn}})
				}
				if c.unread != "" {
					failed = errors.Join(failed, inventory.SecondaryRegions.Put(tx, &backup.RegionView{Meta: backup.Meta{ID: backup.RegionViewID(c.unread)},
						Problem: backup.NewProblem(backup.CodeVaultStoreUnreachable, c.unread, "the store is away")}))
				}
				return failed
			})
			if got := w.do("stranger", "GET", strangeSub+"/resourceGroups/rg/providers/Microsoft.DataProtection/backupVaults", "").code(t); got != c.subscription {
				t.Errorf("an unknown subscription: %s, want %s", got, c.subscription)
			}
			if got := w.do("owner", "POST", ask, `{"sourceRegion":"eastus","sourceBackupInstanceId":"`+at+`"}`).code(t); got != c.instance {
				t.Errorf("an unknown instance: %s, want %s", got, c.instance)
			}
		})
	}
}
