"""What the agent could not do."""


class Failure(Exception):
    """One line for the user, and which kind of ending it is: `unusable`, `not allowed`, `timed out` or `failed`.

    One that is `unusable` may have a line more, which says what mends it.
    """

    def __init__(self, message: str, kind: str, mend: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.mend = mend
