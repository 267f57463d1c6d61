#!/bin/sh
# Makes a database cluster in $PGDATA the first time, then runs the server.
# Everybody who can connect is trusted: this is for tests.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  initdb --locale=C --encoding=UTF8 --auth=trust --username=postgres >/dev/null
  echo "host all all all trust" >>"$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
fi
# Mounting with fsGroup opens the folder to the group, which the server refuses.
chmod 0700 "$PGDATA"
exec postgres -c jit=off "$@"
