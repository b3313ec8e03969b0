"""DuckDB over a snapshot of the lake, every table a view. The only import of duckdb that readers need."""

from lakebatch.sql.session import Session, choose, connect, query
from lakebatch.sql.supervision import is_busy, leave, limits

__all__ = ["Session", "choose", "connect", "is_busy", "leave", "limits", "query"]
