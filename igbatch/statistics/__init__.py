"""What the numbers of attribution maps say, per image, per box and over a data set. numpy and scipy only."""
