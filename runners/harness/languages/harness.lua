-- Runs the program; only where it comes to its end, neither raising nor exiting, is the ticket handed in.
local open = io.open
local program = assert(loadfile(arg[1]))
arg = {[0] = arg[1]}
program()
io.stdout:flush()
local from, to = open("/tmp/ticket", "rb"), open("/tmp/handed-in", "wb")
to:write(from:read("a"))
to:close()
