"""What a reader of a randomization study sees: curves, maps, nulls, tables, and what they say in words."""
