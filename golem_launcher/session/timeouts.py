"""How long the commands to a session take at most, in seconds: for the supervisor, and for whoever waits for it."""

from __future__ import annotations

SAVE = 300.0
"""A save that somebody asked for."""
LAST_SAVE = 60.0
"""The last one, before an end."""
QUICK_SAVE = 20.0
"""The last one of a session that is aborted."""
GRACE, LEAST_GRACE = 600.0, 120.0
"""For so long a session is kept that was to end and has something that could not be saved: less where it is dear."""
CLOSING = 80.0
"""The end itself: the provider's last bill is waited for."""
EXTEND = 60.0
"""The wallet, the node and the provider are asked, and those who asked before are waited for."""
BENCHMARK = 40.0
"""The network is measured, then the machine, which takes 20 s at most."""
ANSWER = 3.0
"""What needs nobody else."""
POLL = 0.05
"""Between two looks at what a supervisor, or a process of ours, writes down or ends with."""
_MARGIN = 20.0

WAIT_FOR_SAVE = SAVE + _MARGIN
WAIT_FOR_BENCHMARK = BENCHMARK + _MARGIN
WAIT_FOR_EXTEND = EXTEND + _MARGIN
WAIT_FOR_STAY = CLOSING + _MARGIN
WAIT_FOR_END = LAST_SAVE + CLOSING
SILENCE = 20.0
"""A supervisor that is to end by force and says nothing for so long hangs, and is killed."""
