"""Write reports: a module per topic, with shared modules for sections, pages and figures."""
