"""What goes into a study: lists of images, boxes, decoding, preprocessing, baselines, procedural scenes."""
