# What the official image does with POSTGRES_USER, POSTGRES_DB and POSTGRES_PASSWORD or its file.
set -eu
data=/var/lib/postgresql/data
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); fi
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; }
install -d -o postgres -g postgres -m 0700 "$data"
if [ ! -s "$data/PG_VERSION" ]; then
    printf '%s\n' "$POSTGRES_PASSWORD" > /tmp/password
    chown postgres /tmp/password
    as_postgres initdb -D "$data" -U "$POSTGRES_USER" --pwfile /tmp/password -A scram-sha-256 --no-sync
    rm /tmp/password
    echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
    echo "local all all trust" > "$data/pg_hba.conf.new"
    cat "$data/pg_hba.conf" >> "$data/pg_hba.conf.new" && cat "$data/pg_hba.conf.new" > "$data/pg_hba.conf"
    as_postgres pg_ctl -D "$data" -w -o "-c listen_addresses=" start
    as_postgres createdb -U "$POSTGRES_USER" "${POSTGRES_DB:-$POSTGRES_USER}" || true
    as_postgres pg_ctl -D "$data" -w stop
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups -- postgres -D "$data" -c listen_addresses='*'
