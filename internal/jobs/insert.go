package jobs

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"holdfast.dev/holdfast/internal/catalog/sqlstore"
)

// onSQLite inserts where catalog and engine share one connection pool.
type onSQLite struct{ client *river.Client[*sql.Tx] }

func (s onSQLite) insert(ctx context.Context, tx *sqlstore.Transaction, args step, o *river.InsertOpts) (*rivertype.JobInsertResult, error) {
	return s.client.InsertTx(ctx, tx.Tx, args, o)
}

func (s onSQLite) retry(ctx context.Context, tx *sqlstore.Transaction, id int64) error {
	_, err := s.client.JobRetryTx(ctx, tx.Tx, id)
	return err
}

// onPostgres inserts on the very connection of the catalog's transaction, which
// database/sql has begun and will end.
type onPostgres struct{ client *river.Client[pgx.Tx] }

func (p onPostgres) insert(ctx context.Context, tx *sqlstore.Transaction, args step, o *river.InsertOpts) (done *rivertype.JobInsertResult, err error) {
	err = tx.Pgx(func(conn *pgx.Conn) (err error) {
		done, err = p.client.InsertTx(ctx, joined{conn}, args, o)
		return err
	})
	return done, err
}

func (p onPostgres) retry(ctx context.Context, tx *sqlstore.Transaction, id int64) error {
	return tx.Pgx(func(conn *pgx.Conn) error {
		_, err := p.client.JobRetryTx(ctx, joined{conn}, id)
		return err
	})
}

// joined shows a connection whose transaction is somebody else's as a
// transaction: statements run in it, and it cannot be ended.
type connection = pgx.Conn // a field of another name than the method Conn

type joined struct{ *connection }

var errNotOurs = errors.New("the transaction is the catalog's")

// Begin refuses: the transaction is the catalog's.
func (joined) Begin(context.Context) (pgx.Tx, error) { return nil, errNotOurs }

// Commit refuses: the transaction is the catalog's.
func (joined) Commit(context.Context) error { return errNotOurs }

// Rollback refuses: the transaction is the catalog's.
func (joined) Rollback(context.Context) error { return errNotOurs }

// LargeObjects are not used.
func (joined) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

// Conn is the connection itself.
func (j joined) Conn() *pgx.Conn { return j.connection }
