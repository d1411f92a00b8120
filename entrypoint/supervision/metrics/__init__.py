"""What Prometheus reads of this container. Imported with the first request for it."""
