"""Python source as text: knows neither Django nor files."""
