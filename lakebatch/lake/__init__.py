"""The nouns that users hold: a lake, an experiment in it, a snapshot of all its experiments."""
