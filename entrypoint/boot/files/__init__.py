"""The text of each configuration file: pure functions of the decisions."""
