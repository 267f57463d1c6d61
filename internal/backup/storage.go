package backup

import (
	"path"
	"regexp"
	"strings"
)

// StorageAccount is a group of containers in one store.
type StorageAccount struct {
	Meta
	SKU        string `json:"sku"`  // such as Standard_LRS
	Kind       string `json:"kind"` // such as StorageV2
	AccessTier string `json:"accessTier,omitempty"`
	// Store says where the containers really are; a zero Store means a folder
	// of the service's own.
	Store AccountStore `json:"store,omitzero"`
}

// AccountStore is the real store behind a storage account.
type AccountStore struct {
	// URL is file:///absolute/folder or https://account.host (Azure Blob).
	URL         string `json:"url,omitempty"`
	AccountName string `json:"accountName,omitempty"`
	// Key authenticates as the account; sealed for KeyOwner.
	Key Sealed `json:"sealedKey,omitempty"`
}

// Sealed is a secret text as documents hold it: sealed by a key of the service
// and bound to its owner. Empty means that there is none.
type Sealed []byte

// KeyOwner is what the account's sealed key is bound to.
func (a StorageAccount) KeyOwner() string { return Key(a.ID) }

// Container is one container of a storage account.
type Container struct {
	Meta
	Metadata map[string]string `json:"metadata,omitempty"`
}

// CheckChange validates the step from old to a; hasContainers says whether
// containers exist, whose data does not move.
func (a StorageAccount) CheckChange(old StorageAccount, hasContainers bool) *Problem {
	if p := SameLocation(a.Meta, old.Meta); p != nil {
		return p
	}
	if hasContainers && a.Store.URL != old.Store.URL {
		return Invalid("properties.holdfastStore.url", "the store of an account with containers cannot be changed")
	}
	return nil
}

// ContainerURL returns where a container of the account really is. root is the
// folder, as a file URL, in which accounts without a store of their own lie.
func (a StorageAccount) ContainerURL(root, container string) string {
	base := a.Store.URL
	if base == "" {
		base = strings.TrimSuffix(root, "/") + "/" + a.Name()
	}
	return strings.TrimSuffix(base, "/") + "/" + container
}

// ContainerID returns the id of a container of an account.
func ContainerID(accountID, name string) string {
	return accountID + "/blobServices/default/containers/" + name
}

// AccountID returns the id of the account a container lies in.
func (c *Container) AccountID() string { return AccountOfContainer(c.ID) }

// AccountOfContainer returns the account's part of a container id.
func AccountOfContainer(containerID string) string {
	account, _, _ := cutFold(containerID, "/blobServices/")
	return account
}

var (
	accountName   = regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	containerName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`)
)

// Check validates an account by itself. Whether it suits the backup storage
// location is decided when an extension names it.
func (a StorageAccount) Check() *Problem {
	switch {
	case !accountName.MatchString(a.Name()):
		return Invalid("name", "storage account name %q must have 3 to 24 lower-case letters and digits", a.Name())
	case a.Location == "":
		return Invalid("location", "location is required")
	case a.SKU == "":
		return Invalid("sku.name", "sku.name is required")
	case a.Kind == "":
		return Invalid("kind", "kind is required")
	default:
		return a.Store.check()
	}
}

func (s AccountStore) check() *Problem {
	const target = "properties.holdfastStore"
	switch {
	case s.URL == "" && s.AccountName == "" && len(s.Key) == 0:
		return nil
	case strings.HasPrefix(s.URL, "file:///"):
		return s.checkFolder(target)
	case !strings.HasPrefix(s.URL, "https://") && !strings.HasPrefix(s.URL, "http://"):
		return Invalid(target+".url", "store URL %q must begin with file:///, https:// or http://", s.URL)
	case s.AccountName == "" || len(s.Key) == 0:
		return Invalid(target, "a store at %s needs accountName and accountKey", s.URL)
	default:
		return nil
	}
}

// checkFolder refuses credentials, which a folder has no use for, and paths
// that wander.
func (s AccountStore) checkFolder(target string) *Problem {
	folder := strings.TrimPrefix(s.URL, "file://")
	if folder == "/" || path.Clean(folder) != strings.TrimSuffix(folder, "/") {
		return Invalid(target+".url", "store URL %q must name a folder by its plain absolute path", s.URL)
	}
	if s.AccountName != "" || len(s.Key) > 0 {
		return Invalid(target, "a folder needs no accountName and no accountKey")
	}
	return nil
}

// Within says whether the store is no folder, or one at or below one of the
// roots, which are absolute paths.
func (s AccountStore) Within(roots []string) bool {
	folder, isFolder := strings.CutPrefix(s.URL, "file://")
	if !isFolder {
		return true
	}
	for _, root := range roots {
		root = strings.TrimSuffix(root, "/")
		if folder == root || strings.HasPrefix(folder, root+"/") {
			return true
		}
	}
	return false
}

// CheckName reports whether the container's name is allowed.
func (c *Container) CheckName() *Problem {
	if name := c.Name(); !containerName.MatchString(name) || len(name) > 63 {
		return Invalid("name", "container name %q must have 3 to 63 lower-case letters, digits and single hyphens", name)
	}
	return nil
}

// Suits reports why the account cannot hold a backup storage location for a
// cluster in the region, or nil.
func (a StorageAccount) Suits(region string) *Problem {
	switch {
	case !SameRegion(a.Location, region):
		return NewProblem(CodeAccountRegion, a.ID, "storage account %s is in %s, the cluster in %s", a.Name(), a.Location, region)
	case !equalFold(a.Kind, "StorageV2"):
		return NewProblem(CodeAccountUnsuitable, a.ID, "storage account %s is of kind %s, not StorageV2", a.Name(), a.Kind)
	case !strings.HasPrefix(strings.ToLower(a.SKU), "standard"):
		return NewProblem(CodeAccountUnsuitable, a.ID, "storage account %s has the SKU %s, not a Standard one", a.Name(), a.SKU)
	default:
		return nil
	}
}

// UserIdentity is a user-assigned managed identity.
type UserIdentity struct {
	Meta
	PrincipalID string `json:"principalId"`
	ClientID    string `json:"clientId"`
}
