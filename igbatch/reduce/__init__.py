"""From committed statistics to what compares like with like: joint ranges and tables over the whole study."""
