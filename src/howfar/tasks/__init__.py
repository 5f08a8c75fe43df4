"""Give every command one interface to the tasks: binary and multi-class segmentation, classification and detection."""
