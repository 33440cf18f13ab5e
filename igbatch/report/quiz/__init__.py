"""The page of a quiz, and what the report shows of its answers. `igbatch.quiz` draws and reduces them."""
