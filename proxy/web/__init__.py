"""The listeners: aiohttp's requests become ours here, and our replies aiohttp's."""
