"""Two tables without links: those that Lino brings back whole, and one with a million rows."""
