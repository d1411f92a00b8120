"""Carrying out the steps: here files are written, processes started and sockets opened."""
