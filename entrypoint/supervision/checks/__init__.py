"""Whether a program is ready and alive: its probes, its first request and its memory limit."""
