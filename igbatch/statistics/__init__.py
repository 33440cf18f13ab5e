"""Statistics of maps: of one map, of boxes, and over a data set. Only `device.py` needs torch."""
