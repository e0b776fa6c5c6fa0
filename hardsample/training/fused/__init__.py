"""The letters network's cohort and step in a few kernels: what a plain step computes, in a fraction of its launches."""
