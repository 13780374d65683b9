"""`kapelle doctor`: one plain line for each check, exit status 1 when one fails."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from kapelle.kernel import config as kernel_config
from kapelle.web.cli.doctor_checks import CHECKS, Finding


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON list of {level, what, mend} instead of lines.")
def command(as_json: bool) -> None:  # click passes options by name
    """Say in plain words what is wrong and how to mend it."""
    config = kernel_config.load()
    findings = [finding for check in CHECKS for finding in check(config)]
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(line(finding))
    if any(finding.level == "FAIL" for finding in findings):
        sys.exit(1)


def line(finding: Finding) -> str:
    """`FAIL what - how to mend`."""
    text = f"{finding.level:<4} {finding.what}"
    return f"{text} - {finding.mend}" if finding.mend else text
