"""Compares a study with a reference: checks of its numbers, each with a threshold, and a verdict."""
