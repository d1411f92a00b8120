"""The steps of a boot, as values: pure functions of the decisions and the files."""
