"""What follows from the settings and the facts: pure functions and values."""
