"""What a session tells: its state and events, to people elsewhere, to a terminal, to a trace."""
