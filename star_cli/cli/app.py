"""The application, and what its commands share: --home or home= everywhere, -h beside --help, --json."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from star_cli import __version__
from star_cli.cli.completion import settings
from star_cli.errors import StarError

F = TypeVar("F", bound=Callable[..., Any])


class StarCommand(TyperCommand):
    """A command that takes the home as ``--home DIR`` and as ``home=DIR``.

    Where overrides are passed on to Hydra (``PASS``) home=DIR is one of them; elsewhere it is read as the option.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        passes = self.context_settings.get("ignore_unknown_options", False)
        if not passes and any(p.name == "home" for p in self.params):
            args = [f"--{word}" if word.startswith("home=") else word for word in args]
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """What TAB offers: where words are passed on to Hydra, the settings and their values, too."""
        offers: list[Any] = list(super().shell_complete(ctx, incomplete))
        if self.context_settings.get("ignore_unknown_options", False):
            offers += [Offer(text) for text in settings(ctx, incomplete)]
        return offers


@dataclass(frozen=True)
class Offer:
    """One completion, as Typer's shells print it."""

    value: str
    type: str = "plain"
    help: str | None = None


class StarTyper(typer.Typer):
    """A Typer whose commands are StarCommands."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[F], F]:
        """Register a command, as ``typer.Typer.command`` does."""
        return super().command(name, **{"cls": StarCommand, **settings})


app = StarTyper(
    name="star",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Self-taught reasoners: a model writes rationales, a grader keeps the right ones, the model is fine-tuned on "
    "them, and again.",
    epilog="First steps: star run   |   star plan   |   star show RUN   |   star doctor",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"star {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Options that stand before the command."""


PASS = {"allow_extra_args": True, "ignore_unknown_options": True}  # what the command does not know goes to Hydra
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
Home = Annotated[
    str,
    typer.Option("--home", help="Home of artifacts and runs, also as home=DIR (default: STAR_HOME or this directory)."),
]


def overrides(context: typer.Context, home: str) -> list[str]:
    """The words that are passed on, with the home as an override; two different homes are a StarError."""
    words = list(context.args)
    if not home:
        return words
    others = [word for word in words if word.startswith("home=") and word.partition("=")[2].strip("'\"") != home]
    if others:
        raise StarError(f"the home is given twice: --home {home} and {others[0]}", hint="leave one of them out")
    escaped = home.replace("'", "\\'")
    return [*(word for word in words if not word.startswith("home=")), f"home='{escaped}'"]
