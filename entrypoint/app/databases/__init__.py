"""The databases of the application: waiting for them, their errors, and how they fit this container."""
