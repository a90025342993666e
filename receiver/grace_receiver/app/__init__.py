"""The receiving application: incoming calls, rendering, recordings."""
