"""Sessions for programs that speak the Model Context Protocol, within caps that their user sets."""
