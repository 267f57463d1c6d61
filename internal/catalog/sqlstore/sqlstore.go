// Package sqlstore keeps the catalog in a SQL database: one code path on
// database/sql, with the differences between databases in dialect files.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/pressly/goose/v3"

	"holdfast.dev/holdfast/internal/catalog"
)

// attempts is how often an update that lost against another one is run.
const attempts = 5

// DB is an open database: a pool to write with and one to read with. The job
// engine works on the same write pool, so that work and documents commit together.
type DB struct {
	Write *sql.DB
	Read  *sql.DB

	dialect dialect
}

// Close closes both pools.
func (d *DB) Close() error { return errors.Join(d.Write.Close(), d.Read.Close()) }

// Migrate brings the schema up to date. It may be repeated.
func (d *DB) Migrate(ctx context.Context) error {
	provider, err := d.migrations()
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the catalog: %w", err)
	}
	return nil
}

// SchemaVersions returns the version of the schema as it is, and the one that
// this program works with.
func (d *DB) SchemaVersions(ctx context.Context) (is, want int64, err error) {
	provider, err := d.migrations()
	if err != nil {
		return 0, 0, err
	}
	if is, want, err = provider.GetVersions(ctx); err != nil {
		return 0, 0, fmt.Errorf("read the catalog's schema version: %w", err)
	}
	return is, want, nil
}

func (d *DB) migrations() (*goose.Provider, error) {
	schema, err := d.dialect.schema()
	if err != nil {
		return nil, fmt.Errorf("read the catalog's migrations: %w", err)
	}
	provider, err := goose.NewProvider(d.dialect.goose, d.Write, schema)
	if err != nil {
		return nil, fmt.Errorf("prepare the catalog's migrations: %w", err)
	}
	return provider, nil
}

// Enqueue hands a job to the job engine inside the transaction tx.
type Enqueue func(ctx context.Context, tx *sql.Tx, job catalog.Job) error

// Store is a catalog.Store in a SQL database.
type Store struct {
	db      *DB
	enqueue Enqueue
}

// New returns the catalog in db, whose schema must be up to date.
func New(db *DB, enqueue Enqueue) *Store { return &Store{db: db, enqueue: enqueue} }

// View runs fn on a consistent, read-only picture of the catalog.
func (s *Store) View(ctx context.Context, fn func(catalog.Tx) error) error {
	return s.run(ctx, s.db.Read, nil, true, fn)
}

// Update runs fn in a serialisable transaction. Where the database asks for
// it, fn is run again from the start: it must not change anything else.
func (s *Store) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	var err error
	for range attempts {
		if err = s.run(ctx, s.db.Write, s.db.dialect.update, false, fn); !s.db.dialect.again(err) {
			return err
		}
	}
	return fmt.Errorf("catalog update lost %d times against others: %w", attempts, err)
}

func (s *Store) run(ctx context.Context, pool *sql.DB, options *sql.TxOptions, readOnly bool, fn func(catalog.Tx) error) error {
	t, err := pool.BeginTx(ctx, options)
	if err != nil {
		return fmt.Errorf("begin catalog transaction: %w", err)
	}
	// After a commit this does nothing; after an error or a panic of fn it undoes all.
	defer func() { _ = t.Rollback() }()
	if err := fn(&tx{ctx: ctx, sql: t, store: s, readOnly: readOnly}); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit catalog transaction: %w", err)
	}
	return nil
}
