"""Every format that crosses a process, defined once: both sides import it. Standard library only.

Named tuples, not dataclasses: supervisord imports this before it starts anything.
"""

# ---- boot and the application's agent

# ---- boot and supervisord's plugin

# ---- boot and the commands that look at it
