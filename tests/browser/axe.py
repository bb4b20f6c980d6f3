"""axe-core in the page: what it finds that keeps people out.

The script is npm's `axe-core`, unchanged, as the package `axe-playwright-python` brings it; it is run, not kept here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

SEVERE = ("serious", "critical")

OF_STREAMLIT: dict[tuple[str, str], str] = {}
"""Rule and a piece of the element's HTML: what is Streamlit's own and cannot be mended from outside, with the reason."""


@dataclass(frozen=True)
class Finding:
    """One element that breaks one rule."""

    rule: str
    impact: str
    html: str
    told: str

    def __str__(self) -> str:
        return f"{self.impact}: {self.rule}: {self.told}\n  {self.html}"


def findings(page: Any) -> list[Finding]:
    """The serious and critical findings on the page as it stands, but for those of Streamlit's own widgets."""
    page.evaluate(_script())
    violations = page.evaluate("() => axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)")
    every = [
        Finding(rule["id"], node["impact"] or rule["impact"], node["html"][:600], node["failureSummary"])
        for rule in violations
        for node in rule["nodes"]
        if (node["impact"] or rule["impact"]) in SEVERE
    ]
    return [found for found in every if not any(found.rule == rule and piece in found.html for rule, piece in OF_STREAMLIT)]


@cache
def _script() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
