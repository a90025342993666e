"""Classical codecs behind the packet codec contract, to compare with. Their rows are in `grace_codec.schemes`."""
