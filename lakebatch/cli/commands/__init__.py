"""The commands of the command line, in one module per group."""
