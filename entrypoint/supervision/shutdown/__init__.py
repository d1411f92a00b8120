"""The stop of the container: its order, its hooks, and new connections meanwhile."""
