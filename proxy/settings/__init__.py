"""proxy.yaml: as written (`schema`), as read (`load`), looked over (`check`), and as run (`compiled`)."""
