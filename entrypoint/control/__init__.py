"""Commands that examine a running container."""
