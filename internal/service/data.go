package service

import (
	"context"
	"errors"

	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/jobs"
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
