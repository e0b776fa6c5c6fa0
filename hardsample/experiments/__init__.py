"""Which runs each figure and table of the papers is drawn from."""
