"""Jobs: a list of tasks worked off by the machines of one session. Commands, functions, notebooks."""
