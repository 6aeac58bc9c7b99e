"""Writes the results as a page, and says whether they are as they should be."""

import install

PAGE = install.CRATE.parent.parent / "docs" / "discord-interop.md"
TITLES = {"commands": "Commands", "calls": "Calls", "zoo": "Reported faults of encrypted calls"}


def short(cell: dict | None, fault: str | None) -> str:
    """A cell's word in the table."""
    if cell is None:
        return "–"
    if cell["result"] == "absent":
        return "absent"
    if cell["result"] == "error":
        return "**error**"
    if cell["result"] == "failed":
        return "library's fault" if fault else "**failed**"
    if "through" in cell:
        return f"passed, {cell['through']:.0%} through changes"
    if "heard" in cell:
        return f"passed, {cell['heard']:.0%}"
    return "passed"


def known_fault(known: dict, name: str, key: str) -> str | None:
    faults = known.get(name, {})
    return faults.get(key) or faults.get(key.split(":")[0] + ": *")


def write(libraries: dict, results: dict, broken: dict, known: dict, groups: list) -> None:
    lines = [
        "# Client libraries in the simulated Discord",
        "",
        "This page is generated from results by `bot/discord-sim/interop/run.sh`; nothing in it is written by hand. Each"
        " library runs unmodified, pinned, in a process of its own. *Passed* with a share: so much of a scripted speaker's"
        " Opus frames arrived in the library, unchanged, by their digests. *Library's fault*: see the evidence below."
        " *Absent*: the library does not offer it. –: not run. Libraries without end-to-end encryption are tried in a"
        " channel without it.",
        "",
        "| library | packages | voice |",
        "| --- | --- | --- |",
    ]
    for name, library in libraries.items():
        packages = ", ".join(f"`{package}`" for package in library["packages"])
        lines.append(f"| {name} | {packages} | {library['voice'] or 'none'} |")
    missing = {name: result["not_installed"] for name, result in results.items() if "not_installed" in result}
    if missing:
        lines += ["", "Not installed: " + "; ".join(f"{name} ({why})" for name, why in missing.items()) + "."]
    evidence = []
    for group, scenarios in groups:
        names = [name for name, library in libraries.items() if group == "commands" or library["voice"]]
        if group == "zoo":
            names = [name for name in names if libraries[name]["dave"]]
        rows = list(scenarios) + (["encrypted call"] if group == "calls" else [])
        lines += ["", f"## {TITLES[group]}", "", "| | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
        for scenario in rows:
            key, row = f"{group}: {scenario}", [scenario if group != "zoo" else f"`{scenario}`"]
            for name in names:
                cell = results.get(name, {}).get("cells", {}).get(key)
                if scenario == "encrypted call" and libraries[name]["dave"]:
                    row.append("passed" if results.get(name, {}).get("cells", {}).get("calls: join", {}).get("result") == "passed" else "–")
                    continue
                fault = known_fault(known, name, key)
                row.append(short(cell, fault))
                if cell and cell["result"] == "failed":
                    evidence.append((name, key, cell, fault))
            lines.append("| " + " | ".join(row) + " |")
    if evidence:
        lines += ["", "## Evidence", ""]
        seen: dict[tuple, list[str]] = {}
        for name, key, cell, fault in evidence:
            said = cell["evidence"].replace("\n", " ").replace("|", "\\|")
            seen.setdefault((name, fault, said), []).append(key.split(": ", 1)[1])
        for (name, fault, said), scenarios in seen.items():
            lines.append(f"- **{name}**, {', '.join(scenarios)}: {fault + '. ' if fault else ''}Seen: {said}")
    lines += ["", "## Each scenario can fail", "", "With `--break` the simulation misbehaves in each scenario, and the scenario must fail:", ""]
    lines += ["| library | failed, as it must | passed all the same |", "| --- | --- | --- |"]
    for name, result in broken.items():
        cells = {key: cell for key, cell in result.get("cells", {}).items() if cell["result"] != "absent"}
        passed = [key for key, cell in cells.items() if cell["result"] == "passed"]
        failed = [key for key, cell in cells.items() if cell["result"] == "failed"]
        lines.append(f"| {name} | {len(failed)} of {len(cells)} | {', '.join(passed) or 'none'} |")
    PAGE.write_text("\n".join(lines) + "\n")


def verdict(results: dict, known: dict, broken: bool) -> int:
    """0 when every cell is as it should be: passed, absent or a known fault of the library; or, broken, failed."""
    wrong = []
    for name, result in results.items():
        if "not_installed" in result:
            wrong.append(f"{name}: not installed")
        for key, cell in result.get("cells", {}).items():
            bad = cell["result"] == "error"
            bad |= (
                cell["result"] == "passed"
                if broken
                else cell["result"] == "failed" and not known_fault(known, name, key)
            )
            if bad:
                wrong.append(f"{name}, {key}")
    if wrong:
        print(("passed although broken: " if broken else "failed: ") + "; ".join(wrong))
    return 1 if wrong else 0
