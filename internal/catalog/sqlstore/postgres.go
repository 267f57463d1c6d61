package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// Connections is how many connections a process opens to PostgreSQL when
// nothing else is said; MinConnections is the least that works.
const (
	Connections    = 24
	MinConnections = 8
)

const (
	connectTime = 10 * time.Second
	idleTime    = 5 * time.Minute // of a connection that nobody uses
)

var postgresDialect = dialect{
	name:  "postgres",
	goose: goose.DialectPostgres,
	bind:  numbered,
	view:  &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
	// PostgreSQL lets transactions run side by side and ends those that could not
	// have run one after the other; these are run again.
	update:   &sql.TxOptions{Isolation: sql.LevelSerializable},
	again:    lostRace,
	attempts: 20,
	pause:    2 * time.Millisecond,
	alone:    `LOCK TABLE documents IN SHARE ROW EXCLUSIVE MODE`, // taken before the transaction's snapshot
	whole:    `SELECT CASE WHEN pg_is_in_recovery() THEN 'a standby, which cannot be written' ELSE 'ok' END`,
}

// settings are those of every connection. Both sides notice a peer that has
// vanished, nobody waits for ever, and nobody holds up others by idling in a
// transaction.
var settings = map[string]string{
	"application_name":                    "holdfastd",
	"lock_timeout":                        "10s",
	"statement_timeout":                   "2min",
	"idle_in_transaction_session_timeout": "1min",
	"tcp_keepalives_idle":                 "30",
	"tcp_keepalives_interval":             "10",
	"tcp_keepalives_count":                "3",
}

// OpenPostgres opens the database at url, postgres://user@host:port/name, with up
// to the given number of connections; 0 is Connections. A password may stand in
// the URL, in PGPASSWORD or in a file that PGPASSFILE names. Parameters of the
// URL win over the program's own.
func OpenPostgres(ctx context.Context, url string, connections int) (*DB, error) {
	if connections == 0 {
		connections = Connections
	}
	if connections < MinConnections {
		return nil, fmt.Errorf("%d connections to the database are too few, at least %d are needed", connections, MinConnections)
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err) // without the password
	}
	prepare(config)
	// The engine fetches, completes, listens and leads; its steps use the others.
	config.MaxConns = int32(connections / 4)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", address(config), err)
	}
	db := &DB{Engine: pool, dialect: postgresDialect,
		Write: openPool(config, connections/2), Read: openPool(config, connections/4)}
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	if err := db.Write.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", address(config), err), db.Close())
	}
	return db, nil
}

func prepare(config *pgxpool.Config) {
	c := config.ConnConfig
	for name, value := range settings {
		if _, told := c.RuntimeParams[name]; !told {
			c.RuntimeParams[name] = value
		}
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTime
	}
}

func openPool(config *pgxpool.Config, size int) *sql.DB {
	c := config.ConnConfig.Copy()
	// Our statements are all lookups by an index. While a table is small, or new
	// to the statistics, the planner would rather read it whole; serialisable
	// transactions then collide with everybody who writes to it.
	c.RuntimeParams["enable_seqscan"] = "off"
	db := stdlib.OpenDB(*c)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxIdleTime(idleTime)
	return db
}

// address names the database without its password.
func address(config *pgxpool.Config) string {
	c := config.ConnConfig
	return fmt.Sprintf("%s on %s:%d", c.Database, c.Host, c.Port)
}

// numbered turns "?" into $1, $2 and so on. No statement has one in a literal.
func numbered(statement string) string {
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(statement, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}

// lostRace recognises transactions that PostgreSQL ended for the sake of others:
// not serialisable, deadlock, or a lock not had in time.
func lostRace(err error) bool {
	var failure *pgconn.PgError
	if !errors.As(err, &failure) {
		return false
	}
	switch failure.Code {
	case "40001", "40P01", "55P03":
		return true
	}
	return false
}
