"""Give every command one interface to the tasks: segmentation, several classes, classification, detection."""
