"""The lab's link as a live process: UDP and signalling go through it."""
