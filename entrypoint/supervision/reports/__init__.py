"""Reports about the programs: log lines about kills and waits, and the record for `entrypoint status`."""
