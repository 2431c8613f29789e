"""Native networks on a graphics processor: calls of fixed shapes, replayed as CUDA graphs."""
