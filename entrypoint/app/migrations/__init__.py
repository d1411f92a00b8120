"""Migrations: under a lock, with a journal where the database cannot roll them back, and repaired by hand."""
