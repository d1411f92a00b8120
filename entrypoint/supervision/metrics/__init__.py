"""The metrics of this container for Prometheus. Imported with the first request."""
