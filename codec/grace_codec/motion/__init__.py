"""Block motion: search, overlapped compensation (OBMC), and concealment of lost vectors."""
