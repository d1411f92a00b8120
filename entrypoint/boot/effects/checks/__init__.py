"""What is examined before it is used: addresses, log files, passwords, and the files for nginx and supervisord."""
