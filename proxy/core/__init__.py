"""The decisions: pure functions of values and the time. Nothing here waits, reads a clock, or knows a library."""
