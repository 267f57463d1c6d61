package service

import (
	"context"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/keys"
)

// data is the open database.
type data struct {
	db    *sqlstore.DB
	store *sqlstore.Store
}

// openData opens the catalog and brings it up to date.
func openData(ctx context.Context, o Options) (*data, error) {
	if err := o.makeDataDir(); err != nil {
		return nil, err
	}
	db, err := sqlstore.OpenSQLite(o.path("catalog.db"))
	if err != nil {
		return nil, err
	}
	store, err := prepare(ctx, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &data{db, store}, nil
}

func prepare(ctx context.Context, db *sqlstore.DB) (*sqlstore.Store, error) {
	if err := db.Migrate(ctx); err != nil {
		return nil, err
	}
	if err := jobs.MigrateSQLite(ctx, db.Write); err != nil {
		return nil, err
	}
	queue, err := jobs.NewSQLiteQueue(db.Write)
	if err != nil {
		return nil, err
	}
	return sqlstore.New(db, queue.Enqueue), nil
}

// Migrate brings the database up to date and does nothing else.
func Migrate(ctx context.Context, o Options) error {
	d, err := openData(ctx, o)
	if err != nil {
		return err
	}
	return d.db.Close()
}

// Check proves that the database is whole and that the key file opens every
// repository key. It returns a line of what it saw. The service may be running.
func Check(ctx context.Context, o Options) (report string, err error) {
	db, err := sqlstore.OpenSQLite(o.path("catalog.db"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var verdict string
	if err := db.Read.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil || verdict != "ok" {
		return "", fmt.Errorf("database: %s (%w)", verdict, err)
	}
	provider, err := keys.OpenFile(o.path("kek"))
	if err != nil {
		return "", err
	}
	store := sqlstore.New(db, nil)
	count, err := checkKeys(ctx, store, keys.NewRing(store, provider))
	return fmt.Sprintf("database whole, %d repository keys readable", count), err
}

func checkKeys(ctx context.Context, store catalog.Store, ring *keys.Ring) (count int, err error) {
	for after := ""; ; {
		var page []catalog.Document
		err := store.View(ctx, func(tx catalog.Tx) (err error) {
			page, err = tx.List(catalog.Query{Kind: keys.Kind, After: after})
			return err
		})
		if err != nil || len(page) == 0 {
			return count, err
		}
		for _, doc := range page {
			if _, err := ring.Key(ctx, doc.ID); err != nil {
				return count, err
			}
			count++
		}
		after = page[len(page)-1].ID
	}
}
