"""Files to programs: one format, one file."""
