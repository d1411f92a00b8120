"""The folders and files of a boot, and those that the application writes, as values."""
