"""What the commands print: tables and sentences, in colours on a terminal. Decides nothing."""

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from proxy import __version__
from proxy.assemble import Service
from proxy.errors import ConfigurationError
from proxy.model import Configuration, Listen
from proxy.policy import describe

if TYPE_CHECKING:
    from proxy.live_check import Line

_PIPED_WIDTH = 180  # columns of a table that no terminal limits
_MOST_HOSTS = 4  # of a greeting
OUT = Console(soft_wrap=True, highlight=False)
ERR = Console(stderr=True, soft_wrap=True, highlight=False)


def print_policy(configuration: Configuration) -> None:
    """Who may do what, as whom."""
    for paragraph in describe(configuration):
        OUT.print(f"[bold]{plain(paragraph.title)}[/]")
        for name, words in paragraph.lines:
            OUT.print(f"  {name:<11} {plain(words)}" if name else f"  {plain(words)}")
    OUT.print()


def print_table(lines: "list[Line]") -> None:
    """A row for each rule; what went wrong, and what to do, in whole sentences below."""
    out = OUT if OUT.is_terminal else Console(width=_PIPED_WIDTH, highlight=False)
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for title, least in (
        ("", 6),
        ("rule", 24),
        ("credential", 6),
        ("who the proxy is", 10),
        ("token", 8),
        ("answer", 12),
    ):
        table.add_column(title, overflow="fold", min_width=least)
    notes: list[str] = []
    for line in lines:
        answer, mark = line.answer, "[green]good[/]"
        if line.advice or not line.good:
            said = line.answer if line.answer.endswith((".", "!", "?")) else f"{line.answer}."
            notes.append(f"{line.rule}: {said} {line.advice}".rstrip())
            answer = f"see {len(notes)}"
            mark = "[yellow]unsure[/]" if line.good else "[red]bad[/]"
        name = "in place" if line.credential == line.rule else line.credential or "none"
        table.add_row(mark, *map(plain, (line.rule, name, line.discovered, line.token, answer)))
    out.print(table)
    for number, note in enumerate(notes, 1):
        OUT.print(f"[bold]{number}.[/] {plain(note)}")


def greeting(configuration: Configuration, service: Service) -> list[str]:
    """Five lines: what is served, to whom, with which credentials, and where to look."""
    scheme = "https" if configuration.tls else "http"
    who = (
        "anyone"
        if any(entry.anyone for entry in configuration.admit.referers)
        else (", ".join(sorted({entry.host for entry in configuration.admit.referers})) or "requests without a Referer")
    )
    public = Listen(configuration.listen.host, service.public.port)
    admin = f"http://{Listen(service.admin.listen.host, service.admin.port)}/status" if service.admin else "off"
    dangers = [f"[red]danger[/] {plain(danger)}" for danger in configuration.dangers]
    return [
        *dangers,
        (f"[bold]resource-proxy {__version__}[/] on {scheme}://{plain(str(public))}{configuration.paths[0]}?https://…"),
        f"  rules        {plain(_hosts(configuration))}",
        f"  for pages of {plain(who)}",
        f"  credentials  {plain(_credentials(configuration))}",
        f"  status page  {plain(admin)}",
    ]


def counted(number: int, thing: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _hosts(configuration: Configuration) -> str:
    """How many rules there are, and for whose servers."""
    named = list(dict.fromkeys(f"*.{rule.host}" if rule.wildcard else rule.host for rule in configuration.rules))
    more = [f"{len(named) - _MOST_HOSTS} more"] if len(named) > _MOST_HOSTS else []
    rest = "; others without a credential" if not configuration.must_match else ""
    return f"{len(configuration.rules)}, for {', '.join([*named[:_MOST_HOSTS], *more])}{rest}"


def _credentials(configuration: Configuration) -> str:
    """Their names; one that is written in place has its rule's."""
    named = [credential.name for credential in configuration.credentials if "://" not in credential.name]
    in_place = len(configuration.credentials) - len(named)
    return ", ".join([*named, *([f"{in_place} in place"] if in_place else [])]) or "none"


def complain(error: ConfigurationError) -> None:
    """Every complaint, a line each."""
    for complaint in error.complaints:
        ERR.print(f"[red]error[/] {plain(complaint)}")


def plain(text: str) -> str:
    """Brackets in what people wrote are not ours to colour."""
    return text.replace("[", "\\[")
