"""What a GPU is needed for, in stages, in a few minutes."""
