"""What is claimed of speed, measured: `make bench`, or `python -m benchmarks [PART ...]`."""
