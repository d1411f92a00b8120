"""What the user defines besides settings: programs, and further sites."""
