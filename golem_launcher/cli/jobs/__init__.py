"""Commands that do many tasks on several machines: run, sweep, jobs."""
