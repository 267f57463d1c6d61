package image

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"
)

//go:embed postgres-entrypoint.sh
var postgresEntrypoint []byte

// PostgresPackages are the Debian packages of Postgres; PostgresWithout are
// those of their dependencies a server does without: compiled expressions,
// Perl, translations and setup tools.
var (
	PostgresPackages = []string{"postgresql-15", "dash", "coreutils"}
	PostgresWithout  = []string{"libllvm14", "libz3-4", "perl", "perl-base", "perl-modules-5.36", "libperl5.36",
		"locales", "libc-l10n", "dpkg", "debconf", "usrmerge", "ucf", "adduser", "passwd",
		// Their psql and pgbench are Perl scripts in front of the real ones.
		"postgresql-client-common", "postgresql-common"}
)

// Postgres makes localhost/postgres:15 from debs: PostgreSQL 15 that keeps its
// data in /var/lib/postgresql/data/pgdata and runs as user 999, so a pod's
// fsGroup should be 999. psql and pgbench are on the path.
func Postgres(cache string, debs []string) (string, error) {
	script := filepath.Join(cache, "postgres-entrypoint.sh")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(script, postgresEntrypoint, 0o755); err != nil {
		return "", err
	}
	return Recipe{
		Config: Config{
			Tag: "localhost/postgres:15", Entrypoint: []string{"/usr/bin/postgres-entrypoint.sh"}, User: "999:999",
			Env: []string{strings.Replace(defaultPath, "=", "=/usr/lib/postgresql/15/bin:", 1), "PGDATA=/var/lib/postgresql/data/pgdata", "PGUSER=postgres", "LC_ALL=C"},
		},
		Files:    []string{script + ":/usr/bin/postgres-entrypoint.sh"},
		Debs:     debs,
		Accounts: []Account{{Name: "postgres", ID: 999, Home: "/var/lib/postgresql"}},
		Folders:  []string{"/run/postgresql:999", "/var/lib/postgresql:999", "/var/lib/postgresql/data:999:700"},
	}.Make(cache)
}
