"""A chain of one's own under the local network: its node, its token, and what yagna must be told to pay there."""
