"""What the proxy tells about itself: metrics and log lines. Never sees a secret, and redacts what looks like one."""
