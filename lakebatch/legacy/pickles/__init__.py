"""Pickled pandas frames, read as data without running them; frozen: no format or feature is added here."""
