"""The older interface: pandas frames saved by hand, and re-assembled by the name that they were saved under."""
