"""The processes of a boot: the agent, hooks, the programs that start early, and the exec of supervisord."""
