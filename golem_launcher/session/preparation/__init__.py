"""What is found and checked before a session starts: its node, image, packages, files, the market."""
