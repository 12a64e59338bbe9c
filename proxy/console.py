"""What the commands print: tables and sentences, in colours on a terminal. Decides nothing."""

from rich import box
from rich.console import Console
from rich.table import Table

from proxy import __version__
from proxy.assemble import Service
from proxy.errors import ConfigurationError
from proxy.live_check import Line
from proxy.model import Configuration, Listen
from proxy.policy import describe

_PIPED_WIDTH = 180  # columns of a table that no terminal limits
OUT = Console(soft_wrap=True, highlight=False)
ERR = Console(stderr=True, soft_wrap=True, highlight=False)


def print_policy(configuration: Configuration) -> None:
    """Who may do what, as whom."""
    for paragraph in describe(configuration):
        OUT.print(f"[bold]{plain(paragraph.title)}[/]")
        for name, words in paragraph.lines:
            OUT.print(f"  {name:<11} {plain(words)}" if name else f"  {plain(words)}")
    OUT.print()


def print_table(lines: list[Line]) -> None:
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
    names = ", ".join(credential.name for credential in configuration.credentials) or "none"
    public = Listen(configuration.listen.host, service.public.port)
    admin = f"http://{Listen(service.admin.listen.host, service.admin.port)}/status" if service.admin else "off"
    dangers = [f"[red]danger[/] {plain(danger)}" for danger in configuration.dangers]
    return [
        *dangers,
        (f"[bold]resource-proxy {__version__}[/] on {scheme}://{plain(str(public))}{configuration.paths[0]}?https://…"),
        f"  rules        {len(configuration.rules)}",
        f"  for pages of {plain(who)}",
        f"  credentials  {plain(names)}",
        f"  status page  {plain(admin)}",
    ]


def complain(error: ConfigurationError) -> None:
    """Every complaint, a line each."""
    for complaint in error.complaints:
        ERR.print(f"[red]error[/] {plain(complaint)}")


def plain(text: str) -> str:
    """Brackets in what people wrote are not ours to colour."""
    return text.replace("[", "\\[")
