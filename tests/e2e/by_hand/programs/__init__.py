"""What runs inside such a client's own Python. Imports nothing of this project."""
