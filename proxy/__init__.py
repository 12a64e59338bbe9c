"""The version, and nothing else: importing the package starts and configures nothing."""

__version__ = "0.1.0"
