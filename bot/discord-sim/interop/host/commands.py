"""Scenarios without a call."""

from stage import Failed, SimError, Stage

NAMES = {"ping", "later", "buttons", "find", "Who", "Quote"}


def log_in(stage: Stage) -> dict:
    stage.sabotage(lambda: stage.sim.at.update(token="wrong"))
    stage.log_in()
    stage.sim.wait_event(0, "gateway_identified", lambda event: event["user"] == stage.sim.bot, 5)
    missing = sorted({f"{e['method']} {e['path']}" for e in stage.sim.events(0, "route_missing")})
    return {"missing_routes": missing} if missing else {}


def guild(stage: Stage) -> dict:
    answer = stage.log_in().ask("guild")
    expected = {"name": "Rehearsal", "channel": "Stage"}
    stage.sabotage(lambda: expected.update(channel="a channel that the simulation does not send"))
    if answer["name"] != expected["name"] or expected["channel"] not in answer["channels"]:
        raise Failed(f"the library's picture of the guild is {answer['name']} with {answer['channels']}")
    return {}


def registration(stage: Stage) -> dict:
    guest = stage.log_in()
    stage.sabotage(lambda: stage.sim.post("/faults/rest", path="/commands", status=400, count=1000))
    guest.ask("register")
    application, place = stage.sim.bot, f"/guilds/{stage.sim.at['guild']}"
    kept = set()
    for scope in (place, ""):
        listed = stage.sim.ask("GET", f"/api/v10/applications/{application}{scope}/commands")
        kept |= {command["name"] for command in listed}
    if not NAMES <= kept:
        raise Failed(f"missing commands: {sorted(NAMES - kept)}")
    return {}


def invoke(stage: Stage, command: str, **more) -> dict:
    body = {"user": stage.sim.at["owner"], "command": command, "wait_ms": 12_000, **more}
    answer = stage.sim.post("/invoke", **body)["answer"]
    if answer is None:
        raise Failed(f"{command} was not answered")
    return answer


def refuse_callbacks(stage: Stage) -> None:
    stage.sim.post("/faults/rest", path="/callback", status=404, count=1000)


def text_of(answer: dict) -> str:
    return ((answer.get("message") or {}).get("content") or (answer.get("data") or {}).get("content") or "").strip()


def expect(answer: dict, text: str) -> dict:
    if text_of(answer) != text:
        raise Failed(f"the answer is {text_of(answer)!r}, not {text!r}")
    return {}


def reply(stage: Stage) -> dict:
    stage.sabotage(lambda: refuse_callbacks(stage))
    return expect(invoke(stage, "ping"), "pong")


def follow_up(stage: Stage) -> dict:
    stage.sabotage(lambda: stage.sim.post("/faults/rest", path="/webhooks/", status=404, count=1000))
    answer = invoke(stage, "later")
    parts = [answer.get("message") or {}, *answer.get("followups", [])]
    texts = [part.get("content") for part in parts]
    files = [file["filename"] for part in parts for file in part.get("attachments", [])]
    if "here it is" not in texts or files != ["report.txt"]:
        raise Failed(f"the follow-up says {texts} with the files {files}")
    return {}


def button(stage: Stage) -> dict:
    answer = invoke(stage, "buttons")
    expect(answer, "press")
    stage.sabotage(lambda: refuse_callbacks(stage))
    pressed = stage.sim.post(
        "/press", user=stage.sim.at["owner"], message=answer["message"]["id"], custom_id=custom_id(answer), wait_ms=12_000
    )
    return expect(pressed["answer"] or {}, "pressed")


def custom_id(answer: dict) -> str:
    """Some libraries name a button by the view that it is in as well."""
    for row in answer["message"].get("components", []):
        for part in row.get("components", []):
            return part["custom_id"]
    raise Failed("the message has no button")


def autocomplete(stage: Stage) -> dict:
    stage.sabotage(lambda: refuse_callbacks(stage))
    answer = invoke(stage, "find", options={"query": "al"}, focused="query")
    choices = [choice["value"] for choice in (answer.get("data") or {}).get("choices", [])]
    if choices != ["alpha"]:
        raise Failed(f"the choices are {choices}")
    return {}


def user_command(stage: Stage) -> dict:
    stage.sabotage(lambda: refuse_callbacks(stage))
    target = stage.sim.post("/users", name="Target")["id"]
    return expect(invoke(stage, "Who", target=target), f"who: {target}")


def message_command(stage: Stage) -> dict:
    stage.sabotage(lambda: refuse_callbacks(stage))
    owner, channel = stage.sim.at["owner"], stage.sim.at["text_channel"]
    target = stage.sim.post("/messages", user=owner, channel=channel, content="to be quoted")["id"]
    return expect(invoke(stage, "Quote", target=target), "quote: to be quoted")


SCENARIOS = {
    "log in": log_in,
    "guild": guild,
    "registration": registration,
    "reply": reply,
    "deferred follow-up with a file": follow_up,
    "button": button,
    "autocomplete": autocomplete,
    "user command": user_command,
    "message command": message_command,
}
__all__ = ["SCENARIOS", "SimError"]
