"""Facts about the machine and the application: read, never written."""
