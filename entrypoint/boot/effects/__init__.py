"""Carries out the steps: writes files, starts processes and opens sockets."""
