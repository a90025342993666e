"""Training of the networks: clips, simulated loss, stages. Needs the `torch` extra; nothing at run time imports it."""
