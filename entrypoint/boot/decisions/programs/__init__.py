"""The programs that supervisord runs, as values, and the command line of each."""
