"""What `--help` teaches beside the options: commands in the order of their use, each with examples; and completion."""

from typing import Final

import click
from click.shell_completion import get_completion_class

PROGRAM: Final = "resource-proxy"
_EXAMPLES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "": (
        ("demo", "look at it work, on this machine alone"),
        ("check --live", "is the file good, and does every server answer?"),
        ("explain https://gis.example.com/arcgis/rest/services/A/MapServer", "what becomes of a URL"),
        ("serve", "serve; SIGHUP looks at the file at once, SIGTERM drains"),
    ),
    "demo": (("demo --port 0", "on a free port"),),
    "check": (
        ("check", "who may reach what, with which credential, to do what"),
        ("check --live", "the same, tried on the servers"),
        ("check --live --json | jq '.good'", "for a script; the exit status says it, too"),
    ),
    "explain": (
        ("explain https://gis.example.com/arcgis/rest/services/A/FeatureServer/0/applyEdits --method POST", "an edit"),
        ("explain 'https://maps.example.com/proxy?https://gis.example.com/arcgis' --user ada --group gis", "as a user"),
    ),
    "serve": (
        ("serve --config /etc/resource-proxy/proxy.yaml", "another file; RESOURCE_PROXY_CONFIG names it, too"),
        ("serve | jq -c 'select(.status >= 400)'", "one line for each request that went wrong"),
    ),
    "migrate": (
        ("migrate proxy.config -o config/proxy.yaml", "its secrets go to config/proxy.env"),
        ("migrate proxy.config --strict >/dev/null", "does anything change its meaning?"),
    ),
    "simulate": (("simulate --profile ags-9.3 --port 0", "an old server, to try a configuration on"),),
    "schema": (("schema > proxy.schema.json", "for editors that know # yaml-language-server: $schema=…"),),
    "completion": (
        ('eval "$(resource-proxy completion bash)"', "in ~/.bashrc; zsh the same in ~/.zshrc"),
        ("completion fish > ~/.config/fish/completions/resource-proxy.fish", "once"),
    ),
}


class Commands(click.Group):
    """The commands as one comes to need them, with examples below."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is not None and command.epilog is None:
            command.epilog = _shown(cmd_name)
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.epilog = _shown("")
        super().format_epilog(ctx, formatter)


def completion_script(shell: str) -> str:
    """What a shell has to be told so that Tab completes commands and options."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the option's choices are click's
    return kind(click.Command(PROGRAM), {}, PROGRAM, "_RESOURCE_PROXY_COMPLETE").source()


def _shown(name: str) -> str | None:
    examples = _EXAMPLES.get(name)
    if examples is None:
        return None
    lines = [line for what, why in examples for line in (f"  {_whole(what)}", f"      {why}")]
    return "\n".join(("\b", "Examples:", *lines))


def _whole(command: str) -> str:
    return f"{PROGRAM} {command}" if command.split()[0] in _EXAMPLES else command
