"""What decides whether a property holds."""
