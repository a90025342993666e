"""The grace-rtc command and the demo."""
