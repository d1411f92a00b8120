"""The error of a certificate that was not obtained."""


class ObtainError(Exception):
    """No certificate was obtained; the message says why."""

    def __init__(self, why: str, limited_until: float | None = None) -> None:
        """`limited_until` is the end of the authority's rate limit, if we have reached it (0: unknown)."""
        super().__init__(why)
        self.limited_until = limited_until
