"""The HTML page: its tables, and the data of its viewer."""
