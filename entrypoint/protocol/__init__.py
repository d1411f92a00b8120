"""Every format that crosses a process, defined once: both sides import it. Standard library only."""
