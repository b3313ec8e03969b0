"""Frames with any columns, in Delta tables that grow with them; and the rows of results that some of them hold."""
