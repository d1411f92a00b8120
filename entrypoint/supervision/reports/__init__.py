"""What people read of the programs: lines at changes, kills and waits, and the record for `entrypoint status`."""
