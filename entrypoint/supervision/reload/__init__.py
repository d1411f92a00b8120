"""A reload: a new process of the server beside the old one, on its own socket."""
