"""What is done once a supervisor has gone: debts closed down, removed sessions kept for a while."""
