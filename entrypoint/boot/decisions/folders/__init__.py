"""The folders and files that a boot writes, and the folders that the application writes, as values."""
