"""The log of a call: its schema, the files it is written to and read from, and how several logs become one."""
