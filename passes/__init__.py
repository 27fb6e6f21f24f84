"""One pass, one file, named for what it does."""
