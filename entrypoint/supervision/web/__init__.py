"""Answers HTTP requests to the container itself, in supervisord's own loop."""
