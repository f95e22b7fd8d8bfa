"""What people ask for by name."""
