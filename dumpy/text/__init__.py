"""Python source as text, without Django and without files."""
