"""The users that processes run as, and which files root trusts."""
