"""Whom root trusts: the users that processes run as, and the files that they can write."""
