"""The requests of clients to process 1: over its control socket, by SIGHUP, and over HTTP."""
