"""Nights: a study run again and again below one root, each run audited against nights before it."""
