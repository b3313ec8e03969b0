"""Forests and boosting: scikit-learn's own trees, grown faster from columns that are sorted once."""
