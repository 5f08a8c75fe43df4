"""Write reports: one folder per topic with page or section, text, tables and template, and shared modules."""
