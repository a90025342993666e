"""Google Congestion Control on the sender's side, one concept per file (docs/congestion.md)."""
