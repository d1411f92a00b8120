import os

os.waitpid(os.posix_spawn("/opt/record", ["/opt/record", "own-python-hook"], {}), 0)
