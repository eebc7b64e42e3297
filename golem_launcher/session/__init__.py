"""Sessions: the supervisor that owns one, its directory, money, deadline, recovery."""
