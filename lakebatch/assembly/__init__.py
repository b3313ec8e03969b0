"""The life of an assembly: its events, parts, shards, leases, tags, seeds and metrics."""
