"""Files that a project needs in order to run in a container: `entrypoint init`."""
