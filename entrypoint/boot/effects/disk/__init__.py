"""Writes to the disk: run files, certificates, keys and compressed files; changes the owner of folders."""
