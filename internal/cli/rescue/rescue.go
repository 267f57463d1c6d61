// Package rescue is for people who have lost everything but a bucket and the
// keys: its commands need no service, no sign-in and no cluster. They are the
// one part of the command line that opens buckets itself instead of calling the
// REST API, since there may be none left.
package rescue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/keys/byurl"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/objstore/wrap"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/rescue"
)

// keyVariable is the environment variable of a store's key.
const keyVariable = "HOLDFAST_STORE_KEY"

// kit is what the commands share: where the bucket is, and what opens it.
type kit struct {
	*console.Console
	url, account, storeKeyFile string
	prefix                     string
	keyFile, provider, dataKey string
}

// Command returns "holdfast rescue".
func Command(c *console.Console) *cobra.Command {
	k := &kit{Console: c}
	cmd := &cobra.Command{Use: "rescue", Short: "Read backups out of a bucket with only the keys",
		Long: "Read backups out of a bucket with only the keys: no service, no catalog and no cluster is needed, and nothing is written to the bucket.\n\n" +
			"Give the store with --store and what unwraps the data keys with --key-file (the file \"kek\" of the service) or --key-provider. " +
			"Begin with 'holdfast rescue list'. What is damaged is named, and everything else is given out; the exit code is 1 then.",
		Example: "  holdfast rescue list --store file:///mnt/vaults --key-file kek\n" +
			"  holdfast rescue extract 5f0c --store file:///mnt/vaults --key-file kek --all --clean --to objects\n" +
			"  holdfast rescue extract 5f0c --store file:///mnt/vaults --key-file kek --volume shop/data --to data.img"}
	f := cmd.PersistentFlags()
	f.StringVar(&k.url, "store", "", "URL of the store: file:///folder, https://account.host/container, s3://bucket[/prefix] or gs://bucket[/prefix]")
	f.StringVar(&k.account, "store-account", "", "name of the storage account, or id of the access key")
	f.StringVar(&k.storeKeyFile, "store-key-file", "", "file of the account's key, secret access key, or service account (or $"+keyVariable+")")
	f.StringVar(&k.prefix, "prefix", "", "look only below this prefix of the store")
	f.StringVar(&k.keyFile, "key-file", "", "the key file of the service, which wraps data keys")
	f.StringVar(&k.provider, "key-provider", "", "URL of what wraps data keys, as holdfastd has it: vault-transit://host:port/mount/key?token-file=FILE")
	f.StringVar(&k.dataKey, "data-key-file", "", "a file of the 32 bytes of a repository's data key, when somebody kept that")
	cmd.AddCommand(listCommand(k), verifyCommand(k), showCommand(k), browseCommand(k), extractCommand(k))
	return cmd
}

// store opens the bucket, for reading only.
func (k *kit) store(ctx context.Context) (objstore.Store, error) {
	if k.url == "" {
		return nil, console.Usage("give the store with --store, such as --store file:///mnt/vaults")
	}
	at := location.Location{URL: k.url, Account: k.account, Key: os.Getenv(keyVariable)}
	if k.storeKeyFile != "" {
		key, err := os.ReadFile(k.storeKeyFile)
		if err != nil {
			return nil, fmt.Errorf("key of the store: %w", err)
		}
		at.Key = strings.TrimSpace(string(key))
	}
	store, err := location.Open(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return wrap.ReadOnly(store), nil
}

// source opens what tells data keys. It never makes a key.
func (k *kit) source() (rescue.KeySource, error) {
	given := 0
	for _, flag := range []string{k.keyFile, k.provider, k.dataKey} {
		if flag != "" {
			given++
		}
	}
	if given != 1 {
		return nil, console.Usage("give one of --key-file, --key-provider and --data-key-file: without a key nothing can be read")
	}
	if k.dataKey != "" {
		raw, err := os.ReadFile(k.dataKey)
		if err != nil {
			return nil, fmt.Errorf("data key: %w", err)
		}
		key, err := repo.ParseKey(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.dataKey, err)
		}
		return rescue.Plain(key), nil
	}
	url := k.provider
	if url == "" {
		path, err := filepath.Abs(k.keyFile)
		if err != nil {
			return nil, fmt.Errorf("key file: %w", err)
		}
		url = "file://" + path
	}
	provider, err := byurl.Open(url, false)
	if err != nil {
		return nil, err
	}
	return rescue.Wrapped(provider), nil
}

// found is everything that was found in the bucket.
type found struct {
	places []rescue.Place
	opened []*rescue.Opened
	closed map[string]error // why a place could not be opened, by prefix
	points []rescue.Point
}

// Close lets go of all repositories.
func (f *found) Close() {
	for _, o := range f.opened {
		_ = o.Close() // nothing was written
	}
}

// look finds all repositories and their recovery points. One that cannot be
// opened does not keep the others from being looked at.
func (k *kit) look(ctx context.Context) (*found, error) {
	store, err := k.store(ctx)
	if err != nil {
		return nil, err
	}
	source, err := k.source()
	if err != nil {
		return nil, err
	}
	line := k.NewLine()
	defer line.Done()
	line.Show("looking for repositories")
	f := &found{closed: map[string]error{}}
	f.places, err = rescue.Find(ctx, store, k.prefix, func(objects int) { line.Show("looking for repositories: %d objects seen", objects) })
	if err != nil {
		return nil, err
	}
	if len(f.places) == 0 {
		return nil, fmt.Errorf("no repository lies in %s below %q: is the store right? Repositories of vaults lie below vaults/, those of clusters below repositories/", k.url, k.prefix)
	}
	for i, place := range f.places {
		line.Show("opening repository %d of %d", i+1, len(f.places))
		if err := f.open(ctx, store, place, source); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// open opens one repository and lists it. An error means that the store failed.
func (f *found) open(ctx context.Context, store objstore.Store, place rescue.Place, source rescue.KeySource) error {
	opened, err := rescue.Open(ctx, store, place, source)
	if err == nil {
		f.opened = append(f.opened, opened)
		points, listed := opened.Points(ctx)
		f.points = append(f.points, points...)
		err = listed
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, objstore.ErrUnavailable) || errors.Is(err, objstore.ErrForbidden) {
		return err
	}
	f.closed[place.Prefix] = err
	return nil
}

// warn tells what is not as it should be with the repositories.
func (k *kit) warn(f *found) {
	for _, o := range f.opened {
		for _, note := range o.Notes {
			k.Say("repository %s: %s", o.Place, note)
		}
	}
	for _, p := range f.places {
		if err := f.closed[p.Prefix]; err != nil {
			k.Say("repository %s cannot be opened: %v", p, err)
		}
	}
}

// point finds the recovery point that a command names.
func (k *kit) point(ctx context.Context, name string) (*found, rescue.Point, error) {
	f, err := k.look(ctx)
	if err != nil {
		return nil, rescue.Point{}, err
	}
	point, err := rescue.Choose(f.points, name)
	if err != nil {
		k.warn(f)
		f.Close()
		return nil, point, fmt.Errorf("%w; see 'holdfast rescue list'", err)
	}
	for _, note := range point.In.Notes {
		k.Say("repository %s: %s", point.In.Place, note)
	}
	return f, point, nil
}
