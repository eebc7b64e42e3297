"""Commands that join the launcher to other programs: Jupyter's, monitoring, messengers, assistants, hubs."""
