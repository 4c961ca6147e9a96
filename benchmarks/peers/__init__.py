"""What users would otherwise run: plain PyTorch, written the usual way."""
