"""Frames of any columns, in Delta tables that grow with them; and the rows of results in some of them."""
