"""What the container writes: log lines, and the output of its programs."""
