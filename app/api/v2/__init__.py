"""The Open Inference Protocol, version 2 (KServe), with Triton's binary tensors, classification and model repository."""
