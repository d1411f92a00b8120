"""The environment and the project's files, read into typed settings."""
