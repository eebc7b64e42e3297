"""What every widget of the page has, and all of it needs: assets, presence, the one loop, words for problems."""
