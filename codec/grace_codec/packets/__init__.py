"""From latents to independently decodable payloads and back: which element travels where, and the bytes around it."""
