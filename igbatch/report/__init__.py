"""What people see of a study: figures for print, tables, findings in sentences, and one page that holds them."""
