"""What a function that is being written can be told to do, by subject."""
