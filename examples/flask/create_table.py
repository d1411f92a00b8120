"""Create the table, as a migration of Django would. It runs at each start, before the site serves."""

from notes import connect

with connect() as database:
    database.execute("CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
