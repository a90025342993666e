"""The demo: real calls between real processes on this machine, and what became of them in pictures and figures."""
