"""`demo` and `doctor`."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder for the annotated pictures.")
def demo(out: Path) -> None:
    """Identify two real photographs, offline, and draw the answers.

    \b
    Example: bioclip-search demo --out demo
    """
    from bioclip_search.demo import run_demo
    from bioclip_search.exports import write_records

    shown = list(run_demo(out))
    for _ in write_records((answer for answer, _ in shown), "table", sys.stdout):
        pass
    for _, path in shown:
        click.echo(f"Drawn: {path}", err=True)


@click.command()
def doctor() -> int:
    """Say what is installed, what is missing, and the line that mends it; exit status 1 if the main job cannot run.

    \b
    Example: bioclip-search doctor
    """
    from bioclip_search.doctor import examine

    healthy = True
    for finding in examine():
        healthy &= not finding.is_fault
        click.echo(f"{'FAULT' if finding.is_fault else 'note ' if finding.mend else 'ok   '} {finding.what:<22} {finding.state}")
        if finding.mend:
            click.echo(f"      {'':<22} → {finding.mend}")
    return 0 if healthy else 1
