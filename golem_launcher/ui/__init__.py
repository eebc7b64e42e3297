"""The page: widgets that show session directories and start sessions."""
