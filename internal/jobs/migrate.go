package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"holdfast.dev/holdfast/internal/catalog/sqlstore"
)

// Migrate brings the engine's tables up to date. It may be repeated.
func Migrate(ctx context.Context, db *sqlstore.DB) error {
	if db.Engine != nil {
		return migrate(ctx, riverpgxv5.New(db.Engine))
	}
	return migrate(ctx, riversqlite.New(db.Write))
}

// Check fails when the engine's tables are not those that this program works
// with.
func Check(ctx context.Context, db *sqlstore.DB) error {
	if db.Engine != nil {
		return check(ctx, riverpgxv5.New(db.Engine))
	}
	return check(ctx, riversqlite.New(db.Write))
}

func migrate[T any](ctx context.Context, driver riverdriver.Driver[T]) error {
	migrator, err := migrations(driver)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the job engine: %w", err)
	}
	return nil
}

func check[T any](ctx context.Context, driver riverdriver.Driver[T]) error {
	migrator, err := migrations(driver)
	if err != nil {
		return err
	}
	result, err := migrator.Validate(ctx, nil)
	if err != nil {
		return fmt.Errorf("read the job engine's schema: %w", err)
	}
	if !result.OK {
		return fmt.Errorf("the job engine's schema is not current: %s", strings.Join(result.Messages, "; "))
	}
	return nil
}

func migrations[T any](driver riverdriver.Driver[T]) (*rivermigrate.Migrator[T], error) {
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("prepare the job engine's migrations: %w", err)
	}
	return migrator, nil
}
