package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// readers is how many views run at the same time. SQLite reads in parallel
// under its write-ahead log.
const readers = 8

var sqliteDialect = dialect{
	name:  "sqlite",
	goose: goose.DialectSQLite3,
	bind:  func(statement string) string { return statement },
	// Every writing transaction is BEGIN IMMEDIATE, which is serialisable, and
	// every reading one sees one moment.
	view:     nil,
	update:   nil,
	again:    busy,
	attempts: 5, // each has waited for busy_timeout
	pause:    2 * time.Millisecond,
	whole:    `PRAGMA integrity_check(1)`,
}

// OpenSQLite opens, and creates when it is not there, the database file at
// path. Writers share one connection: SQLite lets one write at a time anyhow,
// and waiting in Go's pool is fair where waiting on SQLite's lock is not.
func OpenSQLite(path string) (*DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("database path %q: %w", path, err)
	}
	write, err := sql.Open("sqlite", sqliteURL(absolute, "immediate", "query_only(0)"))
	if err != nil {
		return nil, fmt.Errorf("open database %q: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", sqliteURL(absolute, "deferred", "query_only(1)"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %q for reading: %w", path, err), write.Close())
	}
	read.SetMaxOpenConns(readers)
	// The first write connection switches the file to its write-ahead log.
	if err := write.Ping(); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %q: %w", path, err), write.Close(), read.Close())
	}
	return &DB{Write: write, Read: read, dialect: sqliteDialect}, nil
}

func sqliteURL(path, lock, mode string) string {
	// synchronous(FULL): what was answered to a caller is still there after a power cut.
	pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", mode}, "_txlock": {lock}}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: pragmas.Encode()}).String()
}

// busy recognises the lock of another process: `holdfastd check` beside a
// running service, for example.
func busy(err error) bool {
	var failure *sqlite.Error
	return errors.As(err, &failure) && failure.Code()&0xff == sqlite3.SQLITE_BUSY
}
