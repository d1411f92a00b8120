"""What a project may take into itself; it runs in the application's processes, as the application's user."""
