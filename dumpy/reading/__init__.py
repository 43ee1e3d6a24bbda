"""Text to sections and objects."""
