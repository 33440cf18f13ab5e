"""What a study found: typed verdicts, and their words from templates."""
