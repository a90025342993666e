"""How fast the link and a call are on this machine."""
