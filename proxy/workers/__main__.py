"""`python -m proxy.workers N`: one of several processes, with the socket N to whoever serves. The supervisor starts it;
what commands need beside is left out here, and so a worker takes a third less memory."""

import sys

from proxy.eventloop import runner
from proxy.workers.worker import work

with runner() as loop:
    sys.exit(loop.run(work(int(sys.argv[1]))))
