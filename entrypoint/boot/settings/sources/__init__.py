"""The sources of the settings' texts, and which of them wins."""
