"""Serve each task (segmentation, several classes, classification, detection) to every command by one interface."""
