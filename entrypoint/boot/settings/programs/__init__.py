"""The user's definitions besides settings: programs, and further sites."""
