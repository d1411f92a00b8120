"""Talks to a running container, from beside it: health now; status, reload and the timeline later."""
