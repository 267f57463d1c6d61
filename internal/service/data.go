package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/hosting"
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
	db, err := o.openDatabase(ctx)
	if err != nil {
		return nil, err
	}
	var store *sqlstore.Store
	err = db.Alone(ctx, func(ctx context.Context) (err error) {
		store, err = prepare(ctx, db)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &data{db, store}, nil
}

// lock takes the data directory for this process where the catalog is a file in
// it: then the job engine takes up whatever runs. Replicas on PostgreSQL share it.
func (o Options) lock() (release func(), err error) {
	if err := o.makeDataDir(); err != nil {
		return nil, err
	}
	if o.Database != "" {
		return func() {}, nil
	}
	return hosting.Lock(o.path("lock"))
}

func (o Options) openDatabase(ctx context.Context) (*sqlstore.DB, error) {
	switch scheme, _, _ := strings.Cut(o.Database, "://"); scheme {
	case "postgres", "postgresql":
		return sqlstore.OpenPostgres(ctx, o.Database, o.DatabaseConnections)
	case "":
		return sqlstore.OpenSQLite(o.path("catalog.db"))
	}
	return nil, errors.New("the database is not a postgres:// URL") // it may hold a password
}

// openExisting opens a database that is there already.
func (o Options) openExisting(ctx context.Context) (*sqlstore.DB, error) {
	if o.Database == "" {
		if _, err := os.Stat(o.path("catalog.db")); err != nil {
			return nil, fmt.Errorf("%w; is --data-dir right, and was the service ever started?", plain(err))
		}
	}
	return o.openDatabase(ctx)
}

// openBeside opens the catalog of a service that may be running. It fails when
// there is none, or when its schema is not this program's.
func openBeside(ctx context.Context, o Options) (*data, error) {
	db, err := o.openExisting(ctx)
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
	if err := jobs.Check(ctx, db); err != nil {
		return 0, fmt.Errorf("%w: run holdfastd migrate, or start the service", err)
	}
	return is, nil
}

func prepare(ctx context.Context, db *sqlstore.DB) (*sqlstore.Store, error) {
	if err := db.Migrate(ctx); err != nil {
		return nil, err
	}
	if err := jobs.Migrate(ctx, db); err != nil {
		return nil, err
	}
	return newStore(db)
}

func newStore(db *sqlstore.DB) (*sqlstore.Store, error) {
	queue, err := jobs.NewQueue(db)
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
