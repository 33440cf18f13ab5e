"""Nightly runs of a study below one root, each audited against the reference and the last good night."""
