package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"holdfast.dev/holdfast/internal/catalog/sqlstore"
)

// Result is how one check ended.
type Result string

// Results. Only a Problem keeps the service, a backup or a restore from working.
const (
	OK      Result = "ok"
	Warning Result = "warning"
	Problem Result = "problem"
)

// Finding is what one check saw.
type Finding struct {
	Check  string // what was looked at
	Result Result
	Detail string // what was seen, and what to do about it
}

// checker collects findings.
type checker struct {
	Options
	db       *sqlstore.DB
	findings []Finding
}

func (c *checker) add(check string, result Result, format string, values ...any) {
	c.findings = append(c.findings, Finding{check, result, fmt.Sprintf(format, values...)})
}

// Check looks at everything that the service stands on: the database, the keys,
// the certificates and the stores. It changes nothing but for small objects that
// it writes into the stores of vaults and replicas and deletes again; the service
// may be running. Of the options it reads DataDir, Database, TLSCert, TLSKey,
// VaultStore with its credentials, RegionsFile, and Clock.
func Check(ctx context.Context, o Options) []Finding {
	c := &checker{Options: o}
	c.database(ctx)
	if c.db != nil {
		defer func() { _ = c.db.Close() }() // nothing was written
	}
	secrets := c.keys(ctx)
	c.certificates()
	c.vaults(ctx)
	c.replicas(ctx)
	if c.db != nil && secrets != nil {
		c.stores(ctx, secrets)
	}
	return c.findings
}

// database leaves the open database in c.db when the rest can be read from it.
func (c *checker) database(ctx context.Context) {
	db, err := c.openExisting(ctx)
	if err != nil {
		c.add("database", Problem, "%v", err)
		return
	}
	if err := db.Whole(ctx); err != nil {
		c.add("database", Problem, "it is damaged or cannot be used: %v; restore it from a copy", err)
		_ = db.Close() // damaged: there is nothing to flush
		return
	}
	c.add("database", OK, "whole")
	if c.schema(ctx, db) {
		c.db = db
	}
}

// schema says whether the database can be read by this program.
func (c *checker) schema(ctx context.Context, db *sqlstore.DB) bool {
	version, err := fits(ctx, db)
	if err != nil {
		c.add("schema", Problem, "%v", err)
		_ = db.Close() // nothing was written
		return false
	}
	c.add("schema", OK, "version %d", version)
	return true
}

// plain takes the name of the system call out of a file's error.
func plain(err error) error {
	var file *fs.PathError
	if errors.As(err, &file) {
		return fmt.Errorf("%s: %w", file.Path, file.Err)
	}
	return err
}
