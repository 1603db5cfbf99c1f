"""Networks: fit them with Keras, run them with ONNX."""
