"""The lab: whole calls in virtual time, their logs, metrics and reports."""
