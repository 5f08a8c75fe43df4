"""Study whether distances tell persons apart whatever the view, weather, light or scene (appendix E)."""
