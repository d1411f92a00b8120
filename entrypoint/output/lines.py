"""Bytes from a pipe as whole lines."""

LONGEST = 64 * 1024
"""Bytes. A longer line is cut into pieces of this size."""


class Lines:
    """The lines of one stream."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without their newlines."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if max(map(len, (*whole, self._rest))) <= LONGEST:
            return whole
        *begun, self._rest = _pieces(self._rest)
        return [piece for line in whole for piece in _pieces(line)] + begun

    def end(self) -> list[bytes]:
        """Return the last line of a stream that ended without a newline."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


def _pieces(line: bytes) -> list[bytes]:
    return [line[at : at + LONGEST] for at in range(0, len(line) or 1, LONGEST)]
