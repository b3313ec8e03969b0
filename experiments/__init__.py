"""The experiments: one file each here, the science they share in the packages below."""
