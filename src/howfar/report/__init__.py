"""Write reports: a folder for each topic, with its page or section, text, tables and template, beside what all share."""
