"""Where an activity runs: a private directory (process) or a sandbox (bubblewrap)."""
