"""The sending application: sources of frames, settings, dialling and reconnecting."""
