"""What the supervisor and the zygote say to each other; read on both sides of the jail."""

import struct

REQUEST = struct.Struct("!cIQQQQQQQ")
"""`R` (judge inside), `S` (split) or `X` (a command), uid (split takes the next one too), then cpu seconds, file, open
files, processes, stack, address space (0: none), tmpfs bytes."""
REPLY = struct.Struct("!c?iiddQ")
"""`E`, whether all children were locked down, wait status of who reports and of the program, user and system seconds,
most resident bytes of a process."""
INSIDE, SPLIT, COMMAND = b"R", b"S", b"X"
PROGRAM_ENDED = "program ended"
"""What the judge of `split` tells when the program's process is gone."""
KILL = b"K"
READY = b"READY"
