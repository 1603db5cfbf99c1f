"""What gradient boosting alone needs: its inputs, and its trees as ONNX."""
