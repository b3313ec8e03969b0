"""Read-only pages of a lake in the browser, live or as static files."""
