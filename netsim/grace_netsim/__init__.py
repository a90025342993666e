"""Link emulation, virtual time, the lab, metrics and reports. May import everything; nothing imports it."""
