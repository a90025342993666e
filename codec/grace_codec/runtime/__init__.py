"""How the codec's compiled loops and threads run in a process. Knows nothing of video."""
