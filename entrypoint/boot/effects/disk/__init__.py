"""What is written: run files, certificates and keys, compressed files, and who owns a folder."""
