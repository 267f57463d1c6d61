package sqlstore

import (
	"database/sql"
	"embed"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

// migrations holds one folder of schema changes per dialect.
//
//go:embed migrations
var migrations embed.FS

// dialect is everything in which one database differs from another; the rest
// of the package is one code path.
type dialect struct {
	name  string
	goose goose.Dialect
	// bind rewrites the "?" placeholders of a statement.
	bind func(statement string) string
	// view and update are the options that make a reading transaction one moment
	// and a writing one serialisable.
	view, update *sql.TxOptions
	// again says whether a transaction failed only because of another one and
	// succeeds when it is run once more.
	again func(error) bool
	// attempts is how often an update that lost against another one is run;
	// pause is the wait before the second time, which doubles.
	attempts int
	pause    time.Duration
	// alone, where there is one, is the first statement of an update that has lost
	// often: it waits until nobody else writes, and keeps others from it. Without
	// it one that reads much would lose for ever against many that write little.
	alone string
	// whole checks the database itself, as far as the program can.
	whole string
}

// schema returns the dialect's migrations.
func (d dialect) schema() (fs.FS, error) { return fs.Sub(migrations, "migrations/"+d.name) }
