"""Where the texts of the settings come from, and which source wins."""
