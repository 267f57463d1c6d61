// Package sqlstore keeps the catalog in a SQL database: one code path on
// database/sql, with the differences between databases in dialect files.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"
)

// DB is an open database: a pool to write with and one to read with. On SQLite
// the job engine works on the write pool, on PostgreSQL it has one of its own.
type DB struct {
	Write *sql.DB
	Read  *sql.DB
	// Engine are the connections of the job engine; nil on SQLite.
	Engine *pgxpool.Pool

	dialect dialect
}

// Close closes all connections.
func (d *DB) Close() error {
	if d.Engine != nil {
		d.Engine.Close()
	}
	return errors.Join(d.Write.Close(), d.Read.Close())
}

// Whole fails when the database says that it is damaged, or cannot be used.
func (d *DB) Whole(ctx context.Context) error {
	var verdict string
	if err := d.Read.QueryRowContext(ctx, d.dialect.whole).Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return errors.New(verdict)
	}
	return nil
}

// aloneKey is the advisory lock of Alone: "holdfast" in bytes.
const aloneKey = 0x686f6c6466617374

// Alone runs fn while no other process is in Alone on the same database. On
// SQLite that is the business of whoever owns the file.
func (d *DB) Alone(ctx context.Context, fn func(context.Context) error) (err error) {
	if d.Engine == nil {
		return fn(ctx)
	}
	conn, err := d.Engine.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("lock the database: %w", err)
	}
	// The lock ends with the session, whatever becomes of fn and of this process.
	defer func() { err = errors.Join(err, conn.Hijack().Close(context.WithoutCancel(ctx))) }()
	for _, statement := range []string{`SET lock_timeout = 0`, `SET statement_timeout = 0`, fmt.Sprintf(`SELECT pg_advisory_lock(%d)`, int64(aloneKey))} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("lock the database: %w", err)
		}
	}
	return fn(ctx)
}

// Claim takes a name on the database, unless another process has it, until it is
// released or the process is gone. It needs a connection for that long; one that is
// lost gives the name free. On SQLite, where there is one process, everything is free.
func (d *DB) Claim(ctx context.Context, name string) (release func(), ok bool, err error) {
	if d.Engine == nil {
		return func() {}, true, nil
	}
	pooled, err := d.Engine.Acquire(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("claim %s: %w", name, err)
	}
	conn := pooled.Hijack() // the claim ends with the session, and the pool gets another
	leave := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTime)
		defer cancel()
		_ = conn.Close(ctx) // closed all the same
	}
	err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended($1, 0))`, name).Scan(&ok)
	if err != nil || !ok {
		leave()
	}
	if err != nil {
		return nil, false, fmt.Errorf("claim %s: %w", name, err)
	}
	return leave, ok, nil
}

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
