"""How the next mini-batch is chosen: a file for each idea, and the registry that names them."""
