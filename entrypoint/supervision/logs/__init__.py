"""The lines of the programs, of supervisord and of the hooks, on their way to the standard output of the container."""
