"""What hears and answers: one module or folder per kind of model."""
