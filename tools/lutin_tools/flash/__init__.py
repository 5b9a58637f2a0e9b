"""From a board's folder to one image, and onto a bare board."""
