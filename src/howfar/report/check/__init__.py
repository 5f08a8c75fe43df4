"""Write what a check decided for the tools around it: JUnit XML, Markdown, and Prometheus's text format."""
