"""What each command does: one module for each, loaded when the command is given, with the function `do`."""
