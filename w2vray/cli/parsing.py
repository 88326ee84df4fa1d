"""The command class of all verbs: options in groups, examples under the help, no option given twice, a config file."""

from collections.abc import Iterator, Sequence
from typing import Any

import click

from w2vray.cli.configuring import read_config

__all__ = ["Command", "DescribedArgument", "GroupedOption", "Verbs", "config_table"]

HEADINGS = (
    "Arguments",
    "Options",
    "Data",
    "Model",
    "Training",
    "Options of the model",
    "Answers",
    "Output",
    "Where it runs",
    "This command",
)
"""What ``--help`` groups options under, in this order; options without a group come before all others."""


class GroupedOption(click.Option):
    """An option with the heading that ``--help`` shows it under."""

    def __init__(self, *arguments: Any, group: str = "", **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.group = group


class DescribedArgument(click.Argument):
    """An argument that ``--help`` describes as it does an option."""

    group = "Arguments"

    def __init__(self, *arguments: Any, help: str, **keywords: Any) -> None:  # noqa: A002 - as options have it
        super().__init__(*arguments, **keywords)
        self.described = help

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Return its name and its help."""
        return self.make_metavar(ctx), self.described


class Verbs(click.Group):
    """A program, or part of one, whose help lists its verbs in the order in which one needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own
        """Return them as they were added, not by the alphabet."""
        return list(self.commands)


class Command(click.Command):
    """A verb."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take defaults from ``--config``, and refuse an option that takes one value and is given two."""
        given, typed = list(self._given(args)), tuple(args)
        for option, _ in given:
            times = sum(option is other for other, _ in given)
            if times > 1 and not option.multiple and not option.is_flag and not option.count:
                raise click.UsageError(f"{option.opts[0]} is given {times} times; it takes one value", ctx)
        for option, value in given:
            if option.name == "config" and value is not None:
                ctx.default_map = read_config(value, config_table(ctx), self.params)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if not any(isinstance(item, click.Argument) and item.name == "text" for item in self.params):
                raise
            text = next((word for word in typed if word.startswith(error.option_name)), "TEXT")
            hint = f'put -- before a text that begins with -: {ctx.command_path} ... -- "{text}"'
            raise click.UsageError(f"{error.format_message()} ({hint})", ctx) from error

    def _given(self, args: Sequence[str]) -> Iterator[tuple[click.Option, str | None]]:
        """Yield each option among the arguments with its value, as click reads them."""
        named = {
            name: option
            for option in self.params
            if isinstance(option, click.Option)
            for name in (*option.opts, *option.secondary_opts)
        }
        words = iter(args)
        for word in words:
            if word == "--":
                return
            name, equals, value = word.partition("=")
            option = named.get(name)
            if option is None:
                continue
            takes_next = not option.is_flag and not option.count and not equals
            yield option, next(words, None) if takes_next else value if equals else None

    def format_arguments(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write nothing: the arguments are the first group of ``format_options``, in every version of click."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under the headings of their groups."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                heading = "This command" if parameter is self.get_help_option(ctx) else getattr(parameter, "group", "")
                groups.setdefault(heading or "Options", []).append(record)
        for heading in HEADINGS:
            if heading in groups:
                with formatter.section(heading):
                    formatter.write_dl(groups[heading])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on a line of its own."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def config_table(ctx: click.Context) -> str:
    """Return the name of a verb's table in a config file: ``score``, ``vectors.import``."""
    names: list[str] = []
    here: click.Context | None = ctx
    while here is not None and here.parent is not None:
        names.insert(0, str(here.info_name))
        here = here.parent
    return ".".join(names)
