"""What people read of the programs: kills and waits, and the record for `entrypoint status`."""
