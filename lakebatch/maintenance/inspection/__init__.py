"""Tables as their files and logs describe them, read without an engine: the ground of doctor and repair."""
