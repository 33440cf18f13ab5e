"""Randomization studies: what the stored maps of many variants say beside each other, and against a null."""
