"""Whole calls in virtual time, one or a matrix of them."""
