"""Runs from Python: experiments given as classes, live displays, and results that show themselves."""
