"""What is said to a model, and the shapes people already have it in."""
