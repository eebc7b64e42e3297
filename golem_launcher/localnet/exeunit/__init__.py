"""The exe-unit: runs the commands of an activity and tells their results."""
