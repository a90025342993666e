"""The emulated link: queue, capacity, loss and delay as one pure machine."""
