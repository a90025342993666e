"""Frames in, independently decodable packets out, frames back from any subset of them. Knows no network."""
