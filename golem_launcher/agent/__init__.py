"""The code that is sent to a provider and runs beside the workload. Plain Python 3.9+; imports nothing of ours."""
