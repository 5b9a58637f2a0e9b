"""Programs for the person at the desk."""
