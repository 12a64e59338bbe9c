"""`python -m proxy` is `resource-proxy`."""

from proxy.cli import main

main()
