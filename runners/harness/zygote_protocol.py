"""What the supervisor and the zygote say to each other; read on both sides of the jail."""

import struct

REQUEST = struct.Struct("!cIQQQQQQQ")
"""`R`, uid, then cpu seconds, file, open files, processes, stack, address space (0: none), tmpfs bytes."""
REPLY = struct.Struct("!ciddQ")
"""`E`, wait status, user and system seconds, maximum resident bytes of the largest process."""
KILL = b"K"
READY = b"READY"
