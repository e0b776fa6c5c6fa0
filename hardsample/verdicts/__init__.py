"""The verdict on two papers: every claim of theirs judged from stored runs, and the pages that say so."""
