"""The service bus of Golem (GSB): frames, encoding, client."""
