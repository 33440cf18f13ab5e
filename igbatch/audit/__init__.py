"""Whether a study's explanations still mean what those of a reference study meant: checks and their verdict."""
