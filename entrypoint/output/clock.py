"""The time, as the log shows it."""

import time


def timestamp(nanoseconds: int | None = None) -> str:
    """Return a time since the epoch, by default the current one, as ISO 8601 in UTC, with milliseconds."""
    second, rest = divmod((time.time_ns() if nanoseconds is None else nanoseconds) // 1_000_000, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{rest:03}Z"
