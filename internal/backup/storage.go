package backup

import (
	"net/url"
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
	// URL is file:///absolute/folder, https://account.host (Azure Blob),
	// s3://bucket[/prefix][?endpoint=URL&region=NAME] or
	// gs://bucket[/prefix][?endpoint=URL]. Containers lie below it.
	URL string `json:"url,omitempty"`
	// AccountName is the account at Azure Blob, or the id of an S3 access key.
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
	base, query, found := strings.Cut(base, "?")
	at := strings.TrimSuffix(base, "/") + "/" + container
	if found {
		at += "?" + query
	}
	return at
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
	case strings.HasPrefix(s.URL, "s3://"), strings.HasPrefix(s.URL, "gs://"):
		return s.checkBucket(target)
	case !strings.HasPrefix(s.URL, "https://") && !strings.HasPrefix(s.URL, "http://"):
		return Invalid(target+".url", "store URL must begin with file:///, https://, http://, s3:// or gs://")
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

var bucketPath = regexp.MustCompile(`^(/[a-zA-Z0-9_-][a-zA-Z0-9._-]*)*/?$`)

// checkBucket takes a bucket, or a part of one, and the credentials of its
// kind. Its messages do not quote the URL, which may hold a secret.
func (s AccountStore) checkBucket(target string) *Problem {
	u, err := url.Parse(s.URL)
	if err != nil || u.Hostname() == "" || u.Port() != "" || u.User != nil || u.Fragment != "" || !bucketPath.MatchString(u.EscapedPath()) {
		return Invalid(target+".url", "store URL must be %s://bucket or %[1]s://bucket/prefix", s.URL[:2])
	}
	query, err := url.ParseQuery(u.RawQuery)
	endpoint := query.Get("endpoint")
	query.Del("endpoint")
	if u.Scheme == "s3" {
		query.Del("region")
	}
	if err != nil || len(query) > 0 || endpoint != "" && !isServer(endpoint) {
		return Invalid(target+".url", "the parameters of a store URL may be endpoint=http[s]://host[:port] and, for s3, region=NAME")
	}
	switch {
	case u.Scheme == "s3" && (s.AccountName == "" || len(s.Key) == 0):
		return Invalid(target, "an S3 store needs the id of an access key as accountName and its secret as accountKey")
	case u.Scheme == "gs" && s.AccountName != "":
		return Invalid(target+".accountName", "a Cloud Storage store needs no accountName: the accountKey names its service account")
	case u.Scheme == "gs" && len(s.Key) == 0 && endpoint == "":
		return Invalid(target+".accountKey", "a Cloud Storage store needs the JSON key of a service account as accountKey")
	}
	return nil
}

// isServer says whether a URL is that of a server and nothing more.
func isServer(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil &&
		strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == ""
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
