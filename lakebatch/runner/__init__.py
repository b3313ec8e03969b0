"""Run, resume, verify and check: plan an assembly, have its parts computed, and commit them."""
