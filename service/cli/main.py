"""The `cytolibra` command: one function a subcommand, each in a file of its own.

Owns how errors reach the shell: one line on stderr and exit status 1; wrong usage is 2.
"""

import sys

import typer

from models.errors import CytolibraError
from service.cli.analyse import analyse
from service.cli.calibrate import calibrate
from service.cli.detectors import detectors
from service.cli.ensemble import ensemble
from service.cli.evaluate import evaluate
from service.cli.phantom import phantom
from service.cli.serve import serve
from service.cli.study import study
from service.cli.tiles import tiles
from service.cli.train import train
from service.cli.work import work

app = typer.Typer(
    name="cytolibra",
    help="Finds, counts and grades cells on cervical cytology slides. Research software, for "
    "review by a cytologist; not a diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    analyse,
    serve,
    work,
    phantom,
    tiles,
    train,
    study,
    evaluate,
    calibrate,
    ensemble,
    detectors,
):
    app.command()(command)


def main() -> None:
    """Runs the command line and exits."""
    try:
        app()
    except CytolibraError as error:
        print(f"cytolibra: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        # A full disk, a folder that may not be written: whatever names no cause of its own.
        print(f"cytolibra: {error}: make room, or choose another place", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
