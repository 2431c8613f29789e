"""GGUF files at their own quantisation, computed by llama.cpp: the extra `anyorder[llamacpp]`."""
