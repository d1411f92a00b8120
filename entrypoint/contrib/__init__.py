"""Apps for a project to install. They run in the application's processes, as the application's user."""
