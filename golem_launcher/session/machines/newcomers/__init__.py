"""A machine beside the head that is to take its place: for a move, or when the head is lost."""
