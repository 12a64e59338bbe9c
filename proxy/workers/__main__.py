"""`python -m proxy.workers N`: one of several processes, with the socket N to whoever serves. The supervisor starts it;
what commands need beside is left out here, and so a worker takes a third less memory."""

import faulthandler
import sys

from proxy.eventloop import runner
from proxy.workers.worker import work

faulthandler.enable()  # who stands still and is ended with SIGABRT says where: places in the code, no values
with runner() as loop:
    sys.exit(loop.run(work(int(sys.argv[1]))))
