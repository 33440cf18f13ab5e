"""Models: where trained weights come from, and the variants with randomized parameters made from them."""
