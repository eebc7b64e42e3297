"""Between a running session and a store: saving every few seconds, restoring, and sending files along."""
