"""What clients ask of process 1: over its control socket, by SIGHUP, and over HTTP."""
