"""The plugin inside supervisord, after the exec. It imports nothing of boot, of the commands or of the agent."""
