"""Reads what goes into a study: lists of images, boxes, pixels, baselines. `igbatch.birds` draws scenes."""
