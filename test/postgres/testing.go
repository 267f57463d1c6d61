package postgres

import (
	"context"
	"sync"
	"testing"
)

// shared is one server for all tests of a package.
var shared struct {
	once     sync.Once
	server   *Server
	database string // of the tests' schemas
	err      error
}

// Main runs a package's tests, and stops the server that Database started. Call
// it from TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Stop(); err != nil {
			println("stop postgres:", err.Error())
			code = 1
		}
	}
	return code
}

// Database returns the URL of an empty database for a test: a schema of its own on
// a server that is shared by the package's tests.
func Database(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() {
		ctx := context.WithoutCancel(t.Context())
		if shared.server, shared.err = Start(ctx, Options{}); shared.err == nil {
			shared.database, shared.err = shared.server.Database(ctx)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	url, err := shared.server.Schema(t.Context(), shared.database)
	if err != nil {
		t.Fatal(err)
	}
	return url
}
