"""One file an engine; `benchmarks.worker` runs them, each in a process of its own."""
