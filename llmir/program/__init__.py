"""A program is a module plus its weights: reading, storing and saving them."""
