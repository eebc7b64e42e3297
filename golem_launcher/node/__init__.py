"""The user's yagna: find or start it, its key, its bus."""
