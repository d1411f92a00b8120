"""When Python began to run entrypoint's own code. Import this before anything else."""

import time

AT = time.clock_gettime(time.CLOCK_BOOTTIME)
"""In seconds of CLOCK_BOOTTIME."""
