"""The commands. Each calls one function; the logic is elsewhere."""

import asyncio
import contextlib
import faulthandler
import json
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from proxy import __version__, pipeline
from proxy.assemble import Service
from proxy.console import ERR, OUT, complain, counted, greeting, plain, print_policy, print_table
from proxy.errors import ConfigurationError
from proxy.eventloop import runner
from proxy.explain import explain as explain_target
from proxy.hardening import keep_memory_private, settle_memory
from proxy.model import Configuration
from proxy.notify import ServiceManager
from proxy.runtime import build
from proxy.settings.jsonschema import schema_document
from proxy.settings.legacy import convert
from proxy.settings.legacy.write import Keeping
from proxy.settings.load import load
from proxy.settings.reload import Reloader
from proxy.simulator.options import PROFILES
from proxy.telemetry.log import configure as configure_log
from proxy.telemetry.tracing import begin_tracing
from proxy.traffic import User
from proxy.usage import Commands, completion_script
from proxy.workers.supervisor import Supervisor

_CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("config/proxy.yaml"),
    envvar="RESOURCE_PROXY_CONFIG",
    show_default=True,
    help="The configuration file.",
)
# What every request passes is one or the other (setup.py)
_HOW = "pure Python" if pipeline.__file__.endswith(".py") else "compiled"
_FINDINGS, _UNUSABLE = 1, 2
_STDERR = 2


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(f"{__version__} ({_HOW})", prog_name="resource-proxy")
def main() -> None:
    """Signs a web map's requests to secured ArcGIS services, so that nobody sees a sign-in prompt.

    Begin with `resource-proxy demo`. Then edit config/proxy.yaml, look at it with `check`, and `serve`.
    """


@main.command(short_help="Serve what the configuration allows, until SIGTERM.")
@_CONFIG
def serve(config: Path) -> None:
    """Serve what the configuration allows, until SIGTERM or Ctrl-C, which let requests in flight end; a second one
    stops at once. The file is watched: a good change is taken without losing a request, a bad one kept out and
    complained of.

    A line for each request goes to stdout: JSON, or text on a terminal. The page for people is /status on the admin
    listener, http://127.0.0.1:8081/status unless the file says otherwise.
    """
    keep_memory_private()
    configuration = _loaded(config)
    sys.exit(_run(_serve(config, configuration)))


@main.command(short_help="Find every mistake, and say who may reach what.")
@_CONFIG
@click.option("--live", is_flag=True, help="Get each token and open each URL, too.")
@click.option("--json", "as_json", is_flag=True, help="What --live finds, as JSON.")
def check(config: Path, live: bool, as_json: bool) -> None:
    """Look the configuration over: every complaint at once, with its line and what to write instead; then in words
    who may reach what, with which credential, to do what. What is dangerous makes the status 1.

    With --live every rule is tried on its server, as a page that the file lets in would: what was discovered, the
    token's life, how it travels, what a sample request answered, and what to do where that failed. So is the store of
    state.url: whether it can be written to, by this account, and would keep what is written.
    """
    if as_json and not live:
        raise click.UsageError("--json tells what --live finds: write both.")
    configuration = _loaded(config, as_json=as_json)
    out = ERR if as_json else OUT
    if not live:
        print_policy(configuration)
    for warning in configuration.warnings:
        out.print(f"[yellow]warning[/] {plain(warning)}")
    for danger in configuration.dangers:
        out.print(f"[red]danger[/] {plain(danger)}")
    found = _FINDINGS if configuration.dangers else 0
    if live:
        sys.exit(max(found, _run(_check_live(configuration, as_json=as_json))))
    if untouched := sorted({rule.host for rule in configuration.rules if f".{rule.host}".endswith(".example.com")}):
        OUT.print(f"[yellow]warning[/] {config}: {', '.join(untouched)} is the samples', and no server: write your own")
    if not found:
        rules = counted(len(configuration.rules), "rule")
        OUT.print(f"[green]good[/] {config}: {rules}, {counted(len(configuration.credentials), 'credential')}")
    sys.exit(found)


@main.command(short_help="Say which rule a URL falls under, and what would be sent.")
@_CONFIG
@click.argument("url")
@click.option("--method", default="GET", show_default=True, help="The verb of the request.")
@click.option("--referer", default="", help="The page that asks; without it, one that is let in.")
@click.option("--user", default="", help="Who is signed in, where the rule is not for anyone.")
@click.option("--group", "groups", multiple=True, help="A group of that user; may be repeated.")
def explain(config: Path, url: str, method: str, referer: str, user: str, groups: tuple[str, ...]) -> None:
    """Say which rule URL falls under, why, and what would be sent; secrets hidden.

    URL may be the target, or the whole address that a browser shows, the proxy's own part included.
    """
    runtime, who = build(_loaded(config), generation=1), User(user, frozenset(groups)) if user else None
    verdict = explain_target(runtime, url, method=method.upper(), referer=referer, user=who)
    for name, value in verdict.lines:
        OUT.print(f"[bold]{name:<12}[/] {plain(value)}")
    sys.exit(0 if verdict.is_allowed else _FINDINGS)


@main.command(short_help="Make a proxy.yaml of the proxy.config of an old proxy.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write here, not on the terminal."
)
@click.option("--from", "told", type=click.Choice(["dotnet", "java", "php"]), help="Whose file SOURCE is.")
@click.option("--access", type=click.Choice(["read", "execute", "edit", "all"]), default="edit", show_default=True)
@click.option("--secrets", "keeping", type=click.Choice(["env", "file", "inline"]), default="env", show_default=True)
@click.option("--strict", is_flag=True, help="End with status 1 if anything will be done differently.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def migrate(
    source: Path, output: Path | None, told: str | None, access: str, keeping: Keeping, strict: bool, force: bool
) -> None:
    """Make a proxy.yaml of SOURCE, the proxy.config of Esri's resource-proxy (.NET, Java or PHP).

    Every change of meaning is numbered, on the terminal and in the file. Secrets go to a .env file beside OUTPUT
    (--secrets env), to files of their own (file), or stay in place (inline).
    """
    try:
        done = convert.migrate(source, told=told, access=access, keeping=keeping, output=output, force=force)
    except ConfigurationError as error:
        complain(error)
        sys.exit(_UNUSABLE)
    if output is None:
        click.echo(done.text, nl=False)
    for line in done.report:
        ERR.print(plain(line))
    sys.exit(_FINDINGS if done.is_bad or (strict and done.has_changes) else 0)


@main.command(short_help="Serve a simulated ArcGIS Server, the proxy and a web map.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to serve on.")
@click.option("--port", default=8080, show_default=True, help="The port of the page; 0 takes a free one.")
def demo(host: str, port: int) -> None:
    """A secured ArcGIS Server, the proxy and a web map, all simulated on this machine; needs no network."""
    _needs_pillow()
    from proxy.demo import run_demo  # the simulator is imported only by those who ask for it

    configure_log("error", "auto")
    sys.exit(_run(run_demo(host, port, announce=lambda line: OUT.print(line))))


@main.command(short_help="Serve the simulated ArcGIS Server alone.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to serve on.")
@click.option("--port", default=6080, show_default=True, help="The port; 0 takes a free one.")
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="ags-10.8",
    show_default=True,
    help="What it behaves as.",
)
def simulate(host: str, port: int, profile: str) -> None:
    """The simulated ArcGIS Server alone, with token security, to try a configuration on."""
    _needs_pillow()
    from proxy.demo import run_simulator

    sys.exit(_run(run_simulator(host, port, profile, announce=lambda line: OUT.print(line))))


@main.command()
def schema() -> None:
    """Print the JSON Schema of proxy.yaml, for editors."""
    click.echo(json.dumps(schema_document(), indent=2))


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes Tab complete commands and options in SHELL."""
    click.echo(completion_script(shell))


async def _check_live(configuration: Configuration, *, as_json: bool) -> int:
    # Only here: what serves does without their memory
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from proxy import live_check

    configure_log("error", "auto")
    with Progress(TextColumn("trying"), BarColumn(), MofNCompleteColumn(), console=ERR, transient=True) as progress:
        bar = progress.add_task("", total=len(configuration.rules), visible=ERR.is_terminal)
        lines = await live_check.look(configuration, lambda line: progress.advance(bar))
    if as_json:
        click.echo(live_check.as_json(lines))
    else:
        print_table(lines)
    return 0 if all(line.good for line in lines) else _FINDINGS


async def _serve(path: Path, configuration: Configuration) -> int:
    faulthandler.enable(file=_STDERR)  # a watchdog's SIGABRT is answered with where we stood
    log = configure_log(configuration.log_level, configuration.log_format)
    tracing, manager = begin_tracing(os.environ), ServiceManager(os.environ)
    is_alone = configuration.workers == 1
    service = Service(configuration, tracing=tracing) if is_alone else Supervisor(configuration, tracing)
    reloader = Reloader(path, lambda: load(path, os.environ), manager.told_of(service.apply))
    shown = service.service if isinstance(service, Supervisor) else service
    shown.rejected = lambda: reloader.rejected
    reloader.on_rejected = shown.metrics.config_rejected
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    _on_signals(loop, stop)
    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, reloader.trigger)
    try:
        await service.start()
        settle_memory()
        with contextlib.suppress(OSError):  # a full disk behind stderr is no reason not to serve
            for line in greeting(configuration, shown):
                ERR.print(line)
        await reloader.start(configuration)
        manager.ready()
        await stop.wait()
    finally:
        manager.stopping()
        await reloader.stop()
        await service.stop()
        await manager.close()
        log.close()
    return 0


def _on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """The first SIGTERM or SIGINT drains; a second one stops at once, with a status that tells."""

    def first_or_second() -> None:
        if stop.is_set():
            os._exit(128 + signal.SIGTERM)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, first_or_second)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: first_or_second())


def _run(main_coroutine: Coroutine[Any, Any, int]) -> int:
    with runner() as loop:
        try:
            return loop.run(main_coroutine)
        except ConfigurationError as error:
            complain(error)
            return _FINDINGS
        except KeyboardInterrupt:
            return 130


def _loaded(path: Path, *, as_json: bool = False) -> Configuration:
    try:
        return load(path, os.environ)
    except ConfigurationError as error:
        if as_json:
            click.echo(json.dumps({"good": False, "complaints": error.complaints}, indent=2))
        complain(error)
        sys.exit(_FINDINGS if path.is_file() or path.is_fifo() else _UNUSABLE)


def _needs_pillow() -> None:
    logging.captureWarnings(capture=True)
    try:
        import PIL  # noqa: F401 - only whether it is there
    except ImportError:
        ERR.print("The simulator draws its maps with Pillow: pip install -e '.\\[demo]'")
        sys.exit(_UNUSABLE)
