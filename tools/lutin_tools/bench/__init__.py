"""The bench: the simulated board under a supervisor, and a page to watch and handle it."""
