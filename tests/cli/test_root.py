"""The frame: the table of commands, exit codes, errors, stdout and stderr, through the real script."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from nls_sdk.cli import main
from nls_sdk.cli.root import SECTIONS, cli
from nls_sdk.settings import VARIABLES

SCRIPT = Path(sys.executable).with_name("nls-finetune")
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    base = {"PATH": "/usr/bin:/bin", "HOME": str(Path.cwd()), "NLS_HOME": str(Path.cwd() / "home")}
    return subprocess.run(
        [SCRIPT, *argv], capture_output=True, text=True, env={**base, **environment}, check=False, timeout=120
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says(name: str) -> None:
    ctx = click.Context(cli)
    command = cli.get_command(ctx, name)
    assert command is not None
    assert command.name == name
    assert COMMANDS[name].help == (command.help or "").splitlines()[0]


def test_the_hint_of_an_option_fits_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--provider", "local", "--option", "foo"]) == 2
    assert "--option home=" in capsys.readouterr().err


def test_every_command_has_the_shared_options() -> None:
    def leaves(command: click.Command) -> list[click.Command]:
        if not isinstance(command, click.Group):
            return [command]
        ctx = click.Context(command)
        children = [command.get_command(ctx, name) for name in command.list_commands(ctx)]
        return [leaf for child in children if child for leaf in leaves(child)]

    for command in leaves(cli):
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert flags >= {"--provider", "--json", "--config"}, command.name


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from nls_sdk.cli import main; main(['--help']);"
        "print([m for m in ('rich', 'openai', 'importlib_metadata', 'attrs', 'msgspec', 'dotenv', 'stamina')"
        " if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for name in COMMANDS:
        assert f"  {name}" in done.stdout


@pytest.mark.parametrize("argv", [["-h"], ["train", "-h"], ["eval", "run", "-h"]])
def test_help_is_short_too(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    assert "-h, --help" in capsys.readouterr().out


def test_an_unknown_command_names_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    assert "No such command 'trian'. Did you mean 'train'?" in capsys.readouterr().err
    assert main(["bogus"]) == 2
    assert "No such command 'bogus'" in capsys.readouterr().err


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("nls-finetune 0.")


@pytest.mark.parametrize(
    "argv",
    [
        ["bogus"],
        ["train"],
        ["train", "--run-name"],
        ["eval", "run", "--sample", "0"],
        ["stop", "--provider", "local"],
        ["dry-run", "everything"],
        ["train", "--run-name", "a b"],
        ["train", "--run-name", "a", "--set", "learning_rate"],
        ["train", "--run-name", "a", "--set", "learning_rat=1"],
        ["train", "--run-name", "a", "--set", "learning_rate=fast"],
        ["train", "--run-name", "a", "--recipe", "gone.toml"],
        ["train", "--run-name", "a", "--config", "gone.toml"],
        ["train", "--run-name", "a", "--train", "gone.jsonl"],
        ["list-runs", "--provider", "nowhere"],
        ["merge", "--run-name", "gone", "--provider", "local"],
        ["eval", "report"],
        ["compare", "gone.json", "lost.json"],
    ],
)
def test_bad_usage_is_2_and_no_traceback(argv: list[str]) -> None:
    done = run(*argv)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_an_error_as_json() -> None:
    done = run("list-runs", "--provider", "nowhere", "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "PluginNotFound"
    assert "nowhere" in error["message"]
    assert error["hint"]


def test_a_usage_error_as_json() -> None:
    done = run("train", "--json")
    assert done.returncode == 2
    assert "--run-name" in json.loads(done.stdout)["error"]["message"]


@pytest.mark.parametrize(("argv", "environment"), [(["--debug"], {}), ([], {"NLS_DEBUG": "1"})])
def test_debug_shows_the_traceback(argv: list[str], environment: dict[str, str]) -> None:
    done = run("list-runs", "--provider", "nowhere", *argv, **environment)
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_reader_that_goes_away() -> None:
    reading = subprocess.Popen([SCRIPT, "plugins"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert reading.stdout
    assert reading.stderr
    reading.stdout.close()
    assert reading.wait(60) == 1
    assert "Traceback" not in reading.stderr.read()


def test_half_a_modal_token_is_refused_before_any_work() -> None:
    done = run("list-runs", "--provider", "modal", MODAL_TOKEN_ID="ak-1")
    assert done.returncode == 2
    assert "MODAL_TOKEN_SECRET" in done.stderr
    assert "ak-1" not in done.stderr


def test_dot_env_is_read_and_the_environment_wins() -> None:
    Path(".env").write_text("NLS_PROVIDER=from-the-file\n")
    assert "from-the-file" in run("list-runs").stderr
    assert "from-outside" in run("list-runs", NLS_PROVIDER="from-outside").stderr


def test_env_example_has_every_variable() -> None:
    text = (Path(__file__).parents[2] / ".env.example").read_text()
    named = {line.lstrip("#").partition("=")[0] for line in text.splitlines() if "=" in line}
    assert {variable.name for variable in VARIABLES} <= named


@pytest.mark.parametrize(
    ("redirection", "code"), [("> /dev/full", 1), (">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)]
)
@pytest.mark.parametrize("arguments", ["plugins --json", "plugins", "--help"])
def test_a_stream_that_cannot_be_written_is_no_traceback(arguments: str, redirection: str, code: int) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{SCRIPT} {arguments} {redirection}"], capture_output=True, text=True
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "NoneType" not in done.stderr
