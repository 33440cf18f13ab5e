"""Statistics of attribution maps, per image, per box and over a data set. numpy and scipy only."""
