"""What a restore would meet, and whether a dump loses anything; no live table is written."""
