<?php
// Appended to the program: reached only where it ran to its end, neither throwing nor exiting.
\copy('/tmp/ticket', '/tmp/handed-in');
