"""Entropy coding of latents into independently decodable packets: integer tables, backward-adaptive contexts, ANS."""
