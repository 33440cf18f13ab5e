"""The gallery: all images of a study, or as many as fit, on one page of their own."""
