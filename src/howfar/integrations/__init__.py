"""Connect howfar to other programs (onnxruntime, Lightning, Ultralytics, Hugging Face); only these modules import them."""
