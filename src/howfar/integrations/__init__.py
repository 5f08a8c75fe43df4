"""Connect howfar to other programs, such as FiftyOne, CVAT, Label Studio, Lightning, onnxruntime and Hugging Face."""
