"""Waiting for services besides the databases of Django, and the probes that ask them."""
