"""The machine a measurement was made on, and the sections of RESULTS.md."""

from __future__ import annotations

import datetime
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
_TITLE = (
    "# Measurements\n\nWritten by the scripts beside this file; each section names its command and machine.\n"
)


def describe_machine(packages: tuple[str, ...]) -> dict[str, str]:
    """Processor, cores, load, Python, versions of packages, date: what a reader needs to compare."""
    facts = {
        "date": datetime.date.today().isoformat(),
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for name in packages:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "missing"
    return facts


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), flags=re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else platform.processor() or "unknown"


def write_section(title: str, text: str, path: Path = RESULTS) -> None:
    """Put ``text`` under ``## title``, in place of what stood there; the other sections stay."""
    old = path.read_text() if path.is_file() else _TITLE
    section = f"## {title}\n\n{text.strip()}\n"
    head, *sections = re.split(r"^(?=## )", old, flags=re.MULTILINE)
    titles = [part.split("\n", 1)[0] for part in sections]
    if f"## {title}" in titles:
        sections[titles.index(f"## {title}")] = section
    else:
        sections.append(section)
    path.write_text("\n\n".join(part.strip() for part in [head, *sections]) + "\n")
