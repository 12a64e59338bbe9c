"""One worker: answers requests on the common port, and does what the supervisor says. Shares through it."""

import asyncio
import os
import signal
import socket
import time
from dataclasses import replace

from proxy.assemble import Service
from proxy.hardening import keep_memory_private, settle_memory
from proxy.model import Configuration, Listen
from proxy.telemetry.log import configure as configure_log
from proxy.telemetry.tracing import begin_tracing
from proxy.traffic import Word
from proxy.web.queues import Queues, port_of
from proxy.workers.channel import Channel
from proxy.workers.heartbeat import beat
from proxy.workers.leases import LeasedAllowance
from proxy.workers.parcel import unpacked
from proxy.workers.shared import SharedTokens
from proxy.workers.turns import WorkerCommons


async def work(descriptor: int) -> int:
    """Until the supervisor says so, or is gone. The exit status of the process."""
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends these to all of us; the supervisor decides
        signal.signal(number, signal.SIG_IGN)
    channel = await Channel.open(socket.socket(fileno=descriptor))
    worker = _Worker(channel)
    channel.answers = {
        "start": worker.start,
        "apply": worker.apply,
        "cover": worker.cover,
        "heard": worker.heard,
        "metrics": worker.metrics,
        "status": worker.status,
        "recall": worker.allowance.recall,
    }
    channel.on_end = worker.orphaned
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.ending.set)
    tasks = [
        asyncio.create_task(channel.listen(), name="supervisor"),
        asyncio.create_task(beat(channel), name="heartbeat"),
    ]
    await worker.ending.wait()
    await worker.stop()
    channel.on_end = lambda: None
    for task in tasks:
        task.cancel()
    return 0


class _Worker:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._service: Service | None = None
        self._tokens = SharedTokens(channel, time.monotonic)
        self.allowance = LeasedAllowance(channel, time.monotonic)
        self._number = 0
        self._port = 0
        self.ending = asyncio.Event()

    async def start(self, number: int, queues: list[list[int]], parcel: str) -> None:
        """Answers requests from now on; `queues` are descriptors. Raises ConfigurationError."""
        keep_memory_private()
        held = Queues([[socket.socket(fileno=each) for each in queue] for queue in queues], mine=number - 1)
        self._number, self._port = number, port_of(held.all[held.mine])
        configuration = unpacked(parcel)
        self._log = configure_log(configuration.log_level, configuration.log_format, is_shared=True)
        tracing = begin_tracing(os.environ, is_worker=True)
        if tracing is not None:
            self._tokens.trace = tracing.here
        self._service = Service(
            self._mine(configuration),
            tokens=self._tokens,
            allowance=self.allowance,
            commons=WorkerCommons(self._channel),
            queues=held,
            tracing=tracing,
        )
        await self._service.start()
        settle_memory()

    async def apply(self, parcel: str) -> None:
        """Goes over to another configuration. Raises ConfigurationError."""
        if self._service is not None:
            self._tokens.forget()
            self.allowance.forget()
            await self._service.apply(self._mine(unpacked(parcel)))

    async def cover(self, workers: list[int]) -> None:
        """These cannot take their new connections just now."""
        if self._service is not None:
            await self._service.public.cover({number - 1 for number in workers})

    async def heard(self, topic: list[str], mark: str, says: dict[str, object], seconds: float) -> None:
        """What another worker has found out."""
        if self._service is not None:
            self._service.web_tier.heard(tuple(topic), Word(mark, says, seconds))

    async def metrics(self) -> str:
        """The Prometheus text of this process."""
        return self._service.metrics.render().decode() if self._service is not None else ""

    async def status(self) -> dict[str, object]:
        """As `Service.status`, and which worker says so."""
        own = self._service.status() if self._service is not None else {}
        return {**own, "worker": self._number, "process": os.getpid()}

    def orphaned(self) -> None:
        """The supervisor is gone: drain; and if it went while we drained, it was told to stop at once."""
        if self.ending.is_set():
            os._exit(1)
        self.ending.set()

    async def stop(self) -> None:
        """Drains."""
        if self._service is not None:
            await self._service.stop()
            self._log.close()

    def _mine(self, configuration: Configuration) -> Configuration:
        """The admin pages are the supervisor's, and so is what replicas share."""
        listen = Listen(configuration.listen.host, self._port)
        return replace(configuration, listen=listen, admin_listen=None, state=None)
