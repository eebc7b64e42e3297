"""How long a rental waits for the node, in seconds."""

from __future__ import annotations

REST_SECONDS = 15.0
"""One call of the node's REST API that yapapi makes without a bound of its own."""
