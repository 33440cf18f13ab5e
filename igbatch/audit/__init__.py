"""Whether a study's explanations still mean what those of a reference meant: checks and their verdict."""
