"""Reduction of randomization studies: measures between maps of variants, and tests against random models."""
