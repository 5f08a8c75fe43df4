"""Reports: a folder for each topic with its page or section, text, tables and template; what all pages share lies beside them."""
