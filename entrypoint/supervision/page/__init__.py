"""The status page: what runs, in a browser, and two buttons."""
