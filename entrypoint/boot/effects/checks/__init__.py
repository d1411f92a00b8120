"""Checks before use: addresses, log files, folders, password files, and the configurations of nginx and supervisord."""
