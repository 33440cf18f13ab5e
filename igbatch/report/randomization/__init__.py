"""The report's section on a randomization study: curves, maps, null distributions, tables, and verdicts."""
