"""Tests of the plugin inside a real supervisord."""
