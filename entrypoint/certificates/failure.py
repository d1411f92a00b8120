"""The error of a certificate that was not obtained."""


class ObtainError(Exception):
    """No certificate was obtained; the message says why."""

    def __init__(self, why: str, limited_until: float | None = None) -> None:
        """`limited_until`: the authority was asked too often, and until when it refuses (0: unknown)."""
        super().__init__(why)
        self.limited_until = limited_until
