"""The commands. Each calls one function; the logic is elsewhere."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from proxy import __version__, live_check
from proxy.assemble import Service
from proxy.errors import ConfigurationError
from proxy.explain import explain as explain_target
from proxy.hardening import keep_memory_private
from proxy.model import Configuration
from proxy.policy import describe
from proxy.runtime import build
from proxy.settings.jsonschema import schema_document
from proxy.settings.load import load
from proxy.settings.reload import Reloader
from proxy.telemetry.log import configure as configure_log
from proxy.traffic import User

_CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("config/proxy.yaml"),
    envvar="RESOURCE_PROXY_CONFIG",
    show_default=True,
    help="The configuration file.",
)
_FINDINGS, _UNUSABLE = 1, 2
_PIPED_WIDTH = 180  # columns of a table that no terminal limits
_OUT = Console(soft_wrap=True, highlight=False)
_ERR = Console(stderr=True, soft_wrap=True, highlight=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="resource-proxy")
def main() -> None:
    """Signs a web map's requests to secured ArcGIS services, so that nobody sees a sign-in prompt.

    Begin with `resource-proxy demo`. Then edit config/proxy.yaml, look at it with `check`, and `serve`.
    """


@main.command()
@_CONFIG
def serve(config: Path) -> None:
    """Serve what the configuration allows, until SIGTERM."""
    keep_memory_private()
    configuration = _loaded(config)
    sys.exit(_run(_serve(config, configuration)))


@main.command()
@_CONFIG
@click.option("--live", is_flag=True, help="Get each token and open each URL, too.")
@click.option("--json", "as_json", is_flag=True, help="What --live finds, as JSON.")
def check(config: Path, live: bool, as_json: bool) -> None:
    """Look the configuration over: every complaint at once, with its line and what to write instead; then in words
    who may reach what, with which credential, to do what. What is dangerous makes the status 1.

    With --live every rule is tried on its server, as a page that the file lets in would: what was discovered, the
    token's life, how it travels, what a sample request answered, and what to do where that failed.
    """
    configuration = _loaded(config)
    out = _ERR if as_json else _OUT
    if not live and not as_json:
        _print_policy(configuration)
    for warning in configuration.warnings:
        out.print(f"[yellow]warning[/] {_plain(warning)}")
    for danger in configuration.dangers:
        out.print(f"[red]danger[/] {_plain(danger)}")
    found = _FINDINGS if configuration.dangers else 0
    if live or as_json:
        sys.exit(max(found, _run(_check_live(configuration, as_json=as_json))))
    rules, credentials = len(configuration.rules), len(configuration.credentials)
    if not found:
        _OUT.print(f"[green]good[/] {config}: {rules} rules, {credentials} credentials")
    sys.exit(found)


@main.command()
@_CONFIG
@click.argument("url")
@click.option("--method", default="GET", show_default=True, help="The verb of the request.")
@click.option("--referer", default="", help="The page that asks, as its browser sends it.")
@click.option("--user", default="", help="Who is signed in, where the rule is not for anyone.")
@click.option("--group", "groups", multiple=True, help="A group of that user; may be repeated.")
def explain(config: Path, url: str, method: str, referer: str, user: str, groups: tuple[str, ...]) -> None:
    """Say which rule URL falls under, why, and what would be sent; secrets hidden.

    URL may be the target, or the whole address that a browser shows, the proxy's own part included.
    """
    runtime, who = build(_loaded(config), generation=1), User(user, frozenset(groups)) if user else None
    verdict = explain_target(runtime, url, method=method.upper(), referer=referer, user=who)
    for name, value in verdict.lines:
        _OUT.print(f"[bold]{name:<11}[/] {_plain(value)}")
    sys.exit(0 if verdict.is_allowed else _FINDINGS)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to serve on.")
@click.option("--port", default=8080, show_default=True, help="The port of the page; 0 takes a free one.")
def demo(host: str, port: int) -> None:
    """A secured ArcGIS Server, the proxy and a web map, all simulated on this machine; needs no network."""
    _needs_pillow()
    from proxy.demo import run_demo  # the simulator is imported only by those who ask for it

    configure_log("error", "auto")
    sys.exit(_run(run_demo(host, port, announce=lambda line: _OUT.print(line))))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to serve on.")
@click.option("--port", default=6080, show_default=True, help="The port; 0 takes a free one.")
@click.option("--profile", default="ags-10.8", show_default=True, help="Which ArcGIS release it behaves as.")
def simulate(host: str, port: int, profile: str) -> None:
    """The simulated ArcGIS Server alone, with token security, to try a configuration on."""
    _needs_pillow()
    from proxy.demo import run_simulator

    sys.exit(_run(run_simulator(host, port, profile, announce=lambda line: _OUT.print(line))))


@main.command()
def schema() -> None:
    """Print the JSON Schema of proxy.yaml, for editors."""
    click.echo(json.dumps(schema_document(), indent=2))


def _print_policy(configuration: Configuration) -> None:
    for paragraph in describe(configuration):
        _OUT.print(f"[bold]{_plain(paragraph.title)}[/]")
        for name, words in paragraph.lines:
            _OUT.print(f"  {name:<11} {_plain(words)}" if name else f"  {_plain(words)}")
    _OUT.print()


async def _check_live(configuration: Configuration, *, as_json: bool) -> int:
    configure_log("error", "auto")
    with Progress(TextColumn("trying"), BarColumn(), MofNCompleteColumn(), console=_ERR, transient=True) as progress:
        bar = progress.add_task("", total=len(configuration.rules), visible=_ERR.is_terminal)
        lines = await live_check.look(configuration, lambda line: progress.advance(bar))
    if as_json:
        click.echo(live_check.as_json(lines))
    else:
        _print_table(lines)
    return 0 if all(line.good for line in lines) else _FINDINGS


def _print_table(lines: list[live_check.Line]) -> None:
    """A row for each rule; what went wrong, and what to do, in whole sentences below."""
    out = _OUT if _OUT.is_terminal else Console(width=_PIPED_WIDTH, highlight=False)
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for title, least in (
        ("", 4),
        ("rule", 24),
        ("credential", 6),
        ("who the proxy is", 10),
        ("token", 8),
        ("answer", 12),
    ):
        table.add_column(title, overflow="fold", min_width=least)
    notes: list[str] = []
    for line in lines:
        answer = line.answer
        if not line.good:
            notes.append(f"{line.rule}: {line.answer} {line.advice}".rstrip())
            answer = f"see {len(notes)}"
        name = "in place" if line.credential == line.rule else line.credential or "none"
        mark = "[green]good[/]" if line.good else "[red]bad[/]"
        table.add_row(mark, *map(_plain, (line.rule, name, line.discovered, line.token, answer)))
    out.print(table)
    for number, note in enumerate(notes, 1):
        _OUT.print(f"[red]{number}.[/] {_plain(note)}")


async def _serve(path: Path, configuration: Configuration) -> int:
    log = configure_log(configuration.log_level, configuration.log_format)
    service = Service(configuration)
    reloader = Reloader(path, lambda: load(path, os.environ), service.apply)
    service.rejected = lambda: reloader.rejected
    reloader.on_rejected = service.metrics.config_rejected
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    _on_signals(loop, stop)
    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, reloader.trigger)
    try:
        await service.start()
        for line in _greeting(configuration, service):
            _ERR.print(line)
        await reloader.start(configuration)
        await stop.wait()
    finally:
        await reloader.stop()
        await service.stop()
        log.close()
    return 0


def _greeting(configuration: Configuration, service: Service) -> list[str]:
    """Five lines: what is served, to whom, with which credentials, and where to look."""
    scheme = "https" if configuration.tls else "http"
    who = (
        "anyone"
        if any(entry.anyone for entry in configuration.admit.referers)
        else (", ".join(sorted({entry.host for entry in configuration.admit.referers})) or "requests without a Referer")
    )
    names = ", ".join(credential.name for credential in configuration.credentials) or "none"
    admin = f"http://{service.admin.listen.host}:{service.admin.port}/status" if service.admin else "off"
    dangers = [f"[red]danger[/] {_plain(danger)}" for danger in configuration.dangers]
    return [
        *dangers,
        (
            f"[bold]resource-proxy {__version__}[/] on {scheme}://{configuration.listen.host}:{service.public.port}"
            f"{configuration.paths[0]}?https://…"
        ),
        f"  rules        {len(configuration.rules)}",
        f"  for pages of {_plain(who)}",
        f"  credentials  {_plain(names)}",
        f"  status page  {admin}",
    ]


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
    """On uvloop where it exists."""
    try:
        import uvloop
    except ImportError:
        return _finished(asyncio.Runner(), main_coroutine)
    return _finished(asyncio.Runner(loop_factory=uvloop.new_event_loop), main_coroutine)


def _finished(runner: asyncio.Runner, main_coroutine: Coroutine[Any, Any, int]) -> int:
    with runner:
        try:
            return runner.run(main_coroutine)
        except ConfigurationError as error:
            _complain(error)
            return _FINDINGS
        except KeyboardInterrupt:
            return 130


def _loaded(path: Path) -> Configuration:
    try:
        return load(path, os.environ)
    except ConfigurationError as error:
        _complain(error)
        sys.exit(_UNUSABLE if not path.is_file() else _FINDINGS)


def _complain(error: ConfigurationError) -> None:
    for complaint in error.complaints:
        _ERR.print(f"[red]error[/] {_plain(complaint)}")


def _plain(text: str) -> str:
    """Brackets in what people wrote are not ours to colour."""
    return text.replace("[", "\\[")


def _needs_pillow() -> None:
    logging.captureWarnings(capture=True)
    try:
        import PIL  # noqa: F401 - only whether it is there
    except ImportError:
        _ERR.print("The simulator draws its maps with Pillow: pip install 'arcgis-resource-proxy\\[demo]'")
        sys.exit(_UNUSABLE)
