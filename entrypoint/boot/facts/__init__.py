"""What is true of the machine and the application: read, never written."""
