"""What the agent could not do."""


class Failure(Exception):
    """One line for the user, and which kind of ending it is: `unusable`, `not allowed`, `timed out` or `failed`."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind
