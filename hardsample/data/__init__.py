"""Data sets by name or file, as images and labels in uint8 and int64."""
