"""The table of all commands. A command's module is imported when it runs, so that `--help` stays quick."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import NamedTuple

import click

HELP = ["-h", "--help"]
"""The options that show a command's help."""


class Entry(NamedTuple):
    """Where a command lives and what it does.

    Attributes:
        target: The module of this package and the attribute that hold it.
        help: One line for `--help`: the first of the command's docstring.
    """

    target: str
    help: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Check": {
        "verify": Entry("verify:verify", "Check the environment, data, config and volumes."),
        "query": Entry("query:query", "Check, explain or format Sourcegraph queries."),
        "plugins": Entry("plugins:plugins", "List the installed providers and baselines."),
    },
    "Train": {
        "upload-data": Entry("train:upload_data", "Store the training and validation data at the provider."),
        "dry-run": Entry("train:dry_run", "Try the start of a training."),
        "train": Entry("train:train", "Fine-tune a model."),
        "merge": Entry("train:merge", "Fold a trained adapter into its base model."),
    },
    "Serve": {
        "deploy": Entry("serve:deploy", "Serve a merged model at an OpenAI-compatible endpoint."),
        "ask": Entry("serve:ask", "Translate one question at a live endpoint."),
        "key": Entry("serve:key", "Print the API key of an endpoint that is up or starting."),
        "stop": Entry("serve:stop", "Stop an endpoint."),
        "export": Entry("serve:export", "Copy a merged model to a folder, with a model card."),
    },
    "Evaluate": {
        "eval": Entry("evaluate:eval_", "Measure a fine-tuned model against a baseline."),
        "compare": Entry("comparing:compare", "Compare two evaluations."),
    },
    "Runs": {
        "list-runs": Entry("listing:list_runs", "List all runs: their data, recipe, loss, metrics and cost."),
        "status": Entry("runs:status", "Show where runs stand."),
        "logs": Entry("runs:logs", "Print what a run has told, one event a line."),
        "cancel": Entry("runs:cancel", "Stop a run that is under way."),
    },
    "Try": {
        "demo": Entry("demo:demo", "Do the whole job, small: data, train, merge, serve, evaluate."),
    },
}


class _Root(click.Group):
    """A group that knows its commands by name alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for section in SECTIONS.values():
            if cmd_name in section:
                module, _, attribute = section[cmd_name].target.partition(":")
                found: click.Command = getattr(import_module(f".{module}", __package__), attribute)
                return found
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # click itself suggests only commands that are imported.
        names = self.list_commands(ctx)
        if args[0] not in names and (near := get_close_matches(args[0], names, n=1)):
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {near[0]!r}?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(ctx)))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), entry.help) for name, entry in section.items()])


def _print_version(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from .. import __version__

        click.echo(f"nls-finetune {__version__}")
        ctx.exit()


@click.group(cls=_Root, context_settings={"help_option_names": HELP})
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Fine-tune a small model to turn plain English into Sourcegraph queries, and prove how good it got."""
