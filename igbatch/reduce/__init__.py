"""Reduction of a study: joint ranges and tables over all of its current rows."""
