"""`allowedReferers` of the old file as the new one has them. The three programs compared pages in three ways."""

from typing import Final

from proxy.core.admit import parse_entry
from proxy.model import RefererEntry
from proxy.settings.legacy.nouns import Old, Report

NOBODY: Final = "https://replace-me.invalid"  # a file must let somebody in; this name belongs to nobody (RFC 6761)


def referers(old: Old, report: Report) -> list[str]:
    """The pages that may use the proxy; never empty."""
    program, line = old.traits.program, old.line
    given = old.attributes.get("allowedReferers")
    if given is None:
        what = f'allowedReferers is missing, and {program} let everybody in: written as "*". List your pages instead.'
        report.note(what, line)
        return ["*"]
    entries = [entry for text in given.split(",") if (entry := text.strip())]
    if not entries:
        return _empty(old, report)
    if "*" in entries and len(entries) > 1:
        if old.traits.name == "php":  # which took it at any place
            report.note('"*" beside other pages let everybody in, and still does.', line)
        else:
            report.changed(f'"*" had no meaning in {program} beside other pages; it is left out.', line)
            entries = [entry for entry in entries if entry != "*"]
    found = [kept for entry in entries if (kept := _entry(entry, old, report)) is not None]
    if not found:
        report.changed(f"None of the allowedReferers can be carried over; write your pages instead of {NOBODY}.", line)
    return list(dict.fromkeys(found)) or [NOBODY]


def _empty(old: Old, report: Report) -> list[str]:
    if old.traits.name == "php":
        report.note('allowedReferers is empty, and the PHP proxy let everybody in: written as "*".', old.line)
        return ["*"]
    what = f"allowedReferers is empty, and {old.traits.program} let nobody in; write your pages instead of {NOBODY}."
    report.changed(what, old.line)
    return [NOBODY]


def _entry(text: str, old: Old, report: Report) -> str | None:
    """One page; None where the new proxy has no words for it."""
    line = old.line
    try:
        entry = parse_entry(text)
    except ValueError as error:
        report.changed(f"The referer {text!r} is left out: {error}.", line)
        return None
    if entry.anyone or entry.path is not None:
        if entry.path is not None:
            _of_path(text, entry, report, line)
        return text
    if not text.endswith("/*"):
        what = (
            f"The referer {text} let in only a Referer of just this text, which few browsers send; now any page of it."
        )
        report.changed(what, line)
    if "//" not in text:
        report.changed(f"The referer {text} has no scheme; now pages of http and https are let in.", line)
    if entry.port is not None and old.traits.name != "dotnet":
        report.changed(f"The port in the referer {text} was not looked at; now it is.", line)
    return text


def _of_path(text: str, entry: RefererEntry, report: Report, line: int) -> None:
    page = f"{entry.scheme or 'https'}://{entry.host}"
    report.changed(
        f"The referer {text} has a path, which browsers show to their own host alone: if the page is on another host "
        f"than the proxy, write {page}.",
        line,
    )
