"""Static files: collected where they have changed, compressed, and deployed atomically."""
