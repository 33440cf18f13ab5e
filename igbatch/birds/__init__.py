"""Drawn scenes of birds with known boxes, and the small Swin that was trained on them."""
