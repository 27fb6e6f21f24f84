"""Programs to files of other tools, one format a file."""
