"""The listeners: bytes of the wire become requests here, and replies bytes. What is answered is decided elsewhere."""
