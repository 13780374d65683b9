#!/usr/bin/env bash
# Runs a command with KAPELLE_TEST_DATABASE_URL at a fresh cluster of Debian's PostgreSQL, and stops it afterwards.
set -euo pipefail

bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
folder=$(mktemp -d /tmp/kapelle-external-XXXXXX)
chmod 755 "$folder"
as_postgres() { if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
[ "$(id -u)" -eq 0 ] && chown postgres "$folder"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
stop() { as_postgres "$bin/pg_ctl" -D "$folder/data" -m fast -w stop >/dev/null || true; rm -rf "$folder"; }
trap stop EXIT

cd /
as_postgres "$bin/initdb" -D "$folder/data" -E UTF8 --locale=C.UTF-8 -A trust -U root_of_cluster >/dev/null
as_postgres "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" \
    -o "-p $port -k $folder -c listen_addresses=127.0.0.1 -c max_connections=200" start >/dev/null
as_postgres "$bin/psql" -q -h "$folder" -p "$port" -U root_of_cluster postgres \
    -c "CREATE ROLE kapelle LOGIN CREATEROLE CREATEDB PASSWORD 'kapelle'"
cd - >/dev/null
export KAPELLE_TEST_DATABASE_URL="postgresql://kapelle:kapelle@127.0.0.1:$port/postgres"
echo "Testing against $("$bin/postgres" --version)"
"$@"
