"""What all widgets of the page share: assets, presence, the event loop, wording of problems."""
