"""Runs client libraries through scenarios in the simulated Discord, and writes what came of each as JSON.

    run.sh [--again] [--only SCENARIO]… [--break] [LIBRARY]…    all libraries by default
    run.sh --table                                               only writes the table from the results

Results are kept beside what is installed, in the cache folder; a run goes on where the last one stopped. With --break,
each scenario is run with its fault put in, and must fail.
"""

import argparse
import json
import pathlib
import shutil
import sys
import time
import traceback

import calls
import commands
import install
import table
import zoo
from guest import last_line
from stage import Failed, GuestError, SimError, Stage

KNOWN = json.loads((install.HERE / "known.json").read_text())
GROUPS = [("commands", commands.SCENARIOS), ("calls", calls.SCENARIOS), ("zoo", zoo.SCENARIOS)]


def results_file(name: str, broken: bool) -> pathlib.Path:
    folder = install.cache() / "results"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}{'.broken' if broken else ''}.json"


def is_absent(group: str, scenario: str, library: dict) -> bool:
    """Whether the library does not offer what the scenario needs."""
    if group == "commands":
        return False
    if library["voice"] is None:
        return True
    return not library["dave"] and (group == "zoo" or scenario in calls.NEED_DAVE)


class Runner:
    def __init__(self, name: str, library: dict, options, binary: str) -> None:
        self.name, self.library, self.options, self.binary = name, library, options, binary
        self.file = results_file(name, options.broken)
        kept = json.loads(self.file.read_text()) if self.file.exists() and not options.again else {}
        self.cells = kept.get("cells", {}) if kept.get("packages") == library["packages"] else {}
        self.command: list[str] = []
        self.stage: Stage | None = None

    def save(self, **more) -> None:
        content = {"library": self.name, "packages": self.library["packages"], "cells": self.cells, **more}
        self.file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    def run(self) -> None:
        try:
            self.command = install.command_for(self.name, self.library)
        except install.NotInstalled as error:
            self.save(not_installed=str(error))
            print(f"{self.name}: not installed: {error}", flush=True)
            return
        with open(self.file.with_suffix(".log"), "a", buffering=1) as log:
            for group, scenarios in GROUPS:
                for scenario, play in scenarios.items():
                    self.cell(group, scenario, play, log)
                self.end_stage()
            if self.library["voice"] and not self.library["dave"] and not self.options.broken:
                self.cell("calls", "encrypted call", calls.encrypted, log)
                self.end_stage()

    def cell(self, group: str, scenario: str, play, log) -> None:
        key = f"{group}: {scenario}"
        if self.options.only and scenario not in self.options.only:
            return
        if key in self.cells and not (self.options.failed and self.cells[key]["result"] in ("failed", "error")):
            return
        if is_absent(group, scenario, self.library):
            self.cells[key] = {"result": "absent"}
            return self.save()
        log.write(f"== {key}\n")
        begun = time.monotonic()
        if self.options.broken:
            self.end_stage()
        try:
            if self.stage is None:
                self.stage = Stage(self.binary, self.command, self.library, log, self.options.broken)
                if group == "commands" and scenario not in ("log in", "guild", "registration"):
                    self.stage.log_in().ask("register")
            self.stage.since = self.stage.sim.cursor()
            outcome = {"result": "passed", **(play(self.stage) or {})}
            if group != "commands":
                self.stage.clean()
        except (Failed, GuestError, SimError) as error:
            evidence = str(error)
            crashed = self.stage and self.stage.guest and self.stage.guest.crashed
            if crashed and last_line(crashed) not in evidence:
                evidence += f"; the program ended: {last_line(crashed)}"
            outcome = {"result": "failed", "evidence": evidence, "trace": self.trace(key)}
            self.end_stage()
        except Exception as error:
            # Neither the library nor the simulation: the scenario itself is wrong.
            traceback.print_exc(file=log)
            outcome = {"result": "error", "evidence": repr(error), "trace": self.trace(key)}
            self.end_stage()
        outcome["seconds"] = round(time.monotonic() - begun, 1)
        self.cells[key] = outcome
        self.save()
        shown = {part: value for part, value in outcome.items() if part not in ("result", "seconds", "trace")}
        print(f"{self.name}, {key}: {outcome['result']} {shown or ''}", flush=True)

    def trace(self, key: str) -> str | None:
        """What the simulation saw in a scenario that failed."""
        if self.stage is None:
            return None
        path = self.file.with_name(f"{self.name} {key.replace(':', '')}{' broken' if self.options.broken else ''}.trace.json")
        try:
            events = self.stage.sim.events(self.stage.since)
        except SimError:
            return None
        path.write_text("\n".join(json.dumps(event) for event in events) + "\n")
        return path.name

    def end_stage(self) -> None:
        if self.stage is not None:
            self.stage.end()
            shutil.rmtree(self.stage.folder, ignore_errors=True)
            self.stage = None


def main() -> int:
    libraries = json.loads((install.HERE / "libraries.json").read_text())
    parser = argparse.ArgumentParser(prog="run.sh")
    parser.add_argument("libraries", nargs="*", metavar="LIBRARY")
    parser.add_argument("--again", action="store_true", help="run what has a result already, too")
    parser.add_argument("--failed", action="store_true", help="run what failed again")
    parser.add_argument("--only", action="append", metavar="SCENARIO", help="only this scenario")
    parser.add_argument("--break", dest="broken", action="store_true", help="put each scenario's fault in")
    parser.add_argument("--table", action="store_true", help="only write the table")
    parser.add_argument("--no-table", action="store_true", help="leave the table as it is")
    options = parser.parse_args()
    unknown = [name for name in options.libraries if name not in libraries]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are: {', '.join(libraries)}")
    if not options.table:
        binary = install.example("sim_server")
        for name in options.libraries or libraries:
            Runner(name, libraries[name], options, binary).run()
    results = {name: results_file(name, False) for name in libraries}
    broken = {name: results_file(name, True) for name in libraries}
    if not options.no_table:
        table.write(libraries, read(results), read(broken), KNOWN, GROUPS)
    return table.verdict(read(broken if options.broken else results), KNOWN, options.broken)


def read(files: dict) -> dict:
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


if __name__ == "__main__":
    sys.exit(main())
