"""Where runs are stored, and how they are computed."""
