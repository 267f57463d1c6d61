package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"holdfast.dev/holdfast/internal/catalog"
)

// Transaction is one transaction for those who join it with statements of
// their own.
type Transaction struct {
	*sql.Tx
	conn *sql.Conn
}

// errOver says that a transaction has ended, as it does with its context.
var errOver = errors.New("the transaction is over")

// Pgx runs fn on the connection of a transaction on PostgreSQL. fn must neither
// end the transaction nor keep the connection.
func (t *Transaction) Pgx(fn func(*pgx.Conn) error) error {
	return t.conn.Raw(func(connection any) error {
		conn, ok := connection.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("the connection is a %T and not one to PostgreSQL", connection)
		}
		// Statements beyond the end of the transaction would stand on their own.
		if conn.Conn().PgConn().TxStatus() != 'T' {
			return errOver
		}
		return fn(conn.Conn())
	})
}

// Enqueue hands a job to the job engine inside the transaction tx.
type Enqueue func(ctx context.Context, tx *Transaction, job catalog.Job) error

// Store is a catalog.Store in a SQL database.
type Store struct {
	db      *DB
	enqueue Enqueue
}

// New returns the catalog in db, whose schema must be up to date.
func New(db *DB, enqueue Enqueue) *Store { return &Store{db: db, enqueue: enqueue} }

// View runs fn on a consistent, read-only picture of the catalog.
func (s *Store) View(ctx context.Context, fn func(catalog.Tx) error) error {
	_, err := s.run(ctx, s.db.Read, s.db.dialect.view, "", &tx{readOnly: true}, fn)
	return err
}

// Update runs fn in a serialisable transaction. Where the database asks for
// it, fn is run again from the start: it must not change anything else.
func (s *Store) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	d := s.db.dialect
	pause := d.pause
	for attempt := 1; ; attempt++ {
		first := ""
		if attempt > optimistic {
			first = d.alone
		}
		lost, err := s.run(ctx, s.db.Write, d.update, first, &tx{}, fn)
		if lost == nil {
			return err
		}
		if attempt == d.attempts {
			return fmt.Errorf("catalog update lost %d times against others: %w", attempt, lost)
		}
		// Those who collided must not collide again.
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), lost)
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, longestPause)
	}
}

const (
	longestPause = 500 * time.Millisecond
	optimistic   = 3 // attempts of an update before it asks for a turn alone
)

// run does one transaction, which is to be mine, beginning with the statement
// first, if there is one. lost says that it failed only for the sake of another
// one, whatever fn made of that.
func (s *Store) run(ctx context.Context, pool *sql.DB, options *sql.TxOptions, first string, mine *tx, fn func(catalog.Tx) error) (lost, err error) {
	mine.ctx, mine.store = ctx, s
	conn, err := pool.Conn(ctx)
	if err != nil {
		return mine.lost, fmt.Errorf("begin catalog transaction: %w", mine.failed(err))
	}
	defer func() { _ = conn.Close() }() // gives it back to the pool
	t, err := conn.BeginTx(ctx, options)
	if err != nil {
		return mine.lost, fmt.Errorf("begin catalog transaction: %w", mine.failed(err))
	}
	// After a commit this does nothing; after an error or a panic of fn it undoes all.
	defer func() { _ = t.Rollback() }()
	mine.sql = &Transaction{t, conn}
	if first != "" {
		if err := mine.exec(first); err != nil {
			return mine.lost, err
		}
	}
	if err := fn(mine); err != nil || mine.lost != nil {
		return mine.lost, err
	}
	if err := t.Commit(); err != nil {
		return mine.lost, fmt.Errorf("commit catalog transaction: %w", mine.failed(err))
	}
	return nil, nil
}
