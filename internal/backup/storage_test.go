package backup

import "testing"

func goodAccount() StorageAccount {
	return StorageAccount{Meta: Meta{ID: testAccount, Location: "eastus"}, SKU: "Standard_LRS", Kind: "StorageV2"}
}

func TestAccountCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*StorageAccount)
		target string
	}{
		"plain":             {func(*StorageAccount) {}, ""},
		"upper case":        {func(a *StorageAccount) { a.ID = "/x/Acct" }, "name"},
		"short":             {func(a *StorageAccount) { a.ID = "/x/ab" }, "name"},
		"no location":       {func(a *StorageAccount) { a.Location = "" }, "location"},
		"no sku":            {func(a *StorageAccount) { a.SKU = "" }, "sku.name"},
		"no kind":           {func(a *StorageAccount) { a.Kind = "" }, "kind"},
		"folder":            {func(a *StorageAccount) { a.Store.URL = "file:///data/x" }, ""},
		"root folder":       {func(a *StorageAccount) { a.Store.URL = "file:///" }, "url"},
		"wandering folder":  {func(a *StorageAccount) { a.Store.URL = "file:///data/../etc" }, "url"},
		"folder with a key": {func(a *StorageAccount) { a.Store = AccountStore{"file:///data/x", "a", Sealed("k")} }, "holdfastStore"},
		"azure":             {func(a *StorageAccount) { a.Store = AccountStore{"https://a.host", "a", Sealed("k")} }, ""},
		"azure without key": {func(a *StorageAccount) { a.Store = AccountStore{"https://a.host", "a", nil} }, "holdfastStore"},
		"s3":                {func(a *StorageAccount) { a.Store = AccountStore{"s3://b", "id", Sealed("k")} }, ""},
		"s3 compatible": {func(a *StorageAccount) {
			a.Store = AccountStore{"s3://b/some/prefix?endpoint=https://minio:9000&region=eu", "id", Sealed("k")}
		}, ""},
		"s3 without key":    {func(a *StorageAccount) { a.Store = AccountStore{"s3://b", "id", nil} }, "holdfastStore"},
		"s3 without bucket": {func(a *StorageAccount) { a.Store = AccountStore{"s3:///x", "id", Sealed("k")} }, "url"},
		"s3 that wanders":   {func(a *StorageAccount) { a.Store = AccountStore{"s3://b/../c", "id", Sealed("k")} }, "url"},
		"s3 with a secret":  {func(a *StorageAccount) { a.Store = AccountStore{"s3://b?secret=x", "id", Sealed("k")} }, "url"},
		"s3 of no server":   {func(a *StorageAccount) { a.Store = AccountStore{"s3://b?endpoint=minio", "id", Sealed("k")} }, "url"},
		"s3 of a path":      {func(a *StorageAccount) { a.Store = AccountStore{"s3://b?endpoint=https://minio/x", "id", Sealed("k")} }, "url"},
		"gs":                {func(a *StorageAccount) { a.Store = AccountStore{"gs://b/p", "", Sealed("k")} }, ""},
		"gs emulator":       {func(a *StorageAccount) { a.Store = AccountStore{"gs://b?endpoint=http://127.0.0.1:4443", "", nil} }, ""},
		"gs without key":    {func(a *StorageAccount) { a.Store = AccountStore{"gs://b", "", nil} }, "accountKey"},
		"gs with a name":    {func(a *StorageAccount) { a.Store = AccountStore{"gs://b", "a", Sealed("k")} }, "accountName"},
		"gs with a region":  {func(a *StorageAccount) { a.Store = AccountStore{"gs://b?region=eu", "", Sealed("k")} }, "url"},
		"ftp":               {func(a *StorageAccount) { a.Store.URL = "ftp://a" }, "url"},
	} {
		a := goodAccount()
		c.change(&a)
		checkProblem(t, name, a.Check(), CodeInvalidInput, c.target)
	}
}

func TestAccountSuits(t *testing.T) {
	for want, change := range map[Code]func(*StorageAccount){
		"":                    func(*StorageAccount) {},
		CodeAccountRegion:     func(a *StorageAccount) { a.Location = "westus" },
		CodeAccountUnsuitable: func(a *StorageAccount) { a.SKU = "Premium_LRS" },
	} {
		a := goodAccount()
		change(&a)
		if p := a.Suits("East US"); (p == nil) != (want == "") || (p != nil && p.Code != want) {
			t.Errorf("want %q, got %v", want, p)
		}
	}
	a := goodAccount()
	a.Kind = "BlobStorage"
	if p := a.Suits("eastus"); p == nil || p.Code != CodeAccountUnsuitable {
		t.Errorf("kind BlobStorage: %v", p)
	}
}

func TestStoreWithin(t *testing.T) {
	roots := []string{"/srv/backups/", "/data"}
	for url, want := range map[string]bool{
		"": true, "https://a.host": true, "file:///data": true, "file:///data/x": true, "file:///srv/backups/a": true,
		"file:///database": false, "file:///etc": false, "file:///srv": false,
	} {
		if got := (AccountStore{URL: url}).Within(roots); got != want {
			t.Errorf("%q: %v", url, got)
		}
	}
}

func TestContainerNamesAndPlaces(t *testing.T) {
	for name, good := range map[string]bool{"abc": true, "a-b-c": true, "ab": false, "-abc": false, "a--b": false, "Abc": false, "abc-": false} {
		c := &Container{Meta: Meta{ID: ContainerID(testAccount, name)}}
		if (c.CheckName() == nil) != good {
			t.Errorf("%q: %v", name, c.CheckName())
		}
	}
	a := goodAccount()
	b := goodAccount()
	b.Store.URL = "s3://b/p/?endpoint=https://minio:9000"
	if got := b.ContainerURL("", "c1"); got != "s3://b/p/c1?endpoint=https://minio:9000" {
		t.Error(got)
	}
	if got := a.ContainerURL("file:///data/storage/", "c1"); got != "file:///data/storage/acct/c1" {
		t.Error(got)
	}
	a.Store.URL = "https://a.host/"
	if got := a.ContainerURL("file:///data/storage", "c1"); got != "https://a.host/c1" {
		t.Error(got)
	}
	old := goodAccount()
	if p := a.CheckChange(old, true); p == nil {
		t.Error("the data of containers does not move with the URL")
	}
	if p := a.CheckChange(old, false); p != nil {
		t.Error(p)
	}
}
