"""What lies on the disk of each session, and who reads and guards it: the truth that all share."""
