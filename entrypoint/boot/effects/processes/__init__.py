"""The processes that a boot starts, signals and becomes: the agent, hooks, early programs, supervisord."""
