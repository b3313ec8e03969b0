"""Statistics, plots and reports of snapshots."""
