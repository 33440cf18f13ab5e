"""Colours of maps: styles, scopes and scales."""
