"""Where frames come from outside a call: video files, clips in memory, synthetic scenes."""
