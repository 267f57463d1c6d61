package service

import (
	"context"
	"errors"
	"fmt"
	"os"

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

// openBeside opens the catalog of a service that may be running. It fails when
// there is none, or when its schema is not this program's.
func openBeside(ctx context.Context, o Options) (*data, error) {
	path := o.path("catalog.db")
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w; is --data-dir right, and was the service ever started?", plain(err))
	}
	db, err := sqlstore.OpenSQLite(path)
	if err != nil {
		return nil, err
	}
	if _, err := fits(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("database schema: %w", err), db.Close())
	}
	store, err := newStore(db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &data{db, store}, nil
}

// fits returns the version of the schema, or why this program cannot use it.
func fits(ctx context.Context, db *sqlstore.DB) (int64, error) {
	is, want, err := db.SchemaVersions(ctx)
	switch {
	case err != nil:
		return 0, err
	case is < want:
		return 0, fmt.Errorf("version %d, this program needs %d: run holdfastd migrate, or start the service", is, want)
	case is > want:
		return 0, fmt.Errorf("version %d is of a newer program, this one knows %d: use the newer one", is, want)
	}
	if err := jobs.CheckSQLite(ctx, db.Write); err != nil {
		return 0, fmt.Errorf("%w: run holdfastd migrate, or start the service", err)
	}
	return is, nil
}

func prepare(ctx context.Context, db *sqlstore.DB) (*sqlstore.Store, error) {
	if err := db.Migrate(ctx); err != nil {
		return nil, err
	}
	if err := jobs.MigrateSQLite(ctx, db.Write); err != nil {
		return nil, err
	}
	return newStore(db)
}

func newStore(db *sqlstore.DB) (*sqlstore.Store, error) {
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
