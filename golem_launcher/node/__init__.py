"""The user's yagna: starting or finding it, its REST API, its bus."""
