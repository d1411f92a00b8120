"""What Django would call a migration: it runs before the site serves, at each start."""

from notes import connect

with connect() as database:
    database.execute("CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
