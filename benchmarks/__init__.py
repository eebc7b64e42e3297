"""How fast, how small: each module measures one thing."""
