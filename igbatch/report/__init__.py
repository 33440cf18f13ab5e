"""The report of a study: figures, tables, findings in sentences, and an HTML page that holds them."""
