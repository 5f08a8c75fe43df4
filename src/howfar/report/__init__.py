"""Write reports as HTML pages: a module per kind of result, with shared modules for sections, pages and figures."""
