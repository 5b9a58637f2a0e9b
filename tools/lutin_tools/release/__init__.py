"""Releases: keys, building, reading, comparing, and wrong ones for tests. See docs/releases.md."""
