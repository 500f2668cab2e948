"""The pages of single papers: trips and reports."""
