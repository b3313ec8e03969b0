"""Experiments at one moment: their rows, statuses, gaps and mixtures."""
