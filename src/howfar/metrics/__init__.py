"""What a prediction is worth: segmentation, classification and detection behind one small Protocol."""
