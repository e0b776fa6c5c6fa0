"""Figures, tables and statistics, from curves to files."""
