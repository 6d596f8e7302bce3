"""Reading answers, numbers and equations out of text."""
