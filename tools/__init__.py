"""The programs: argument parsing and printing only."""
