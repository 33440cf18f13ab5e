"""What people see of a study: figures, tables, findings in sentences, and a page that holds them."""
