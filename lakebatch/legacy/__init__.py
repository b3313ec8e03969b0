"""Import of older files, the older interface, and frames of any columns; ``pickles`` is frozen."""
