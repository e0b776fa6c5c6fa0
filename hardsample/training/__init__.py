"""Runs that differ in their seed alone, trained side by side."""
