"""Does it help on a model, loss and data of one's own? The methods trained side by side, and compared seed by seed."""
