"""Scenarios in a call."""

import threading
import time

from stage import Failed, GuestError, SimError, Stage


def faults(stage: Stage, **changes) -> None:
    stage.sim.ask("PUT", "/sim/faults", {"channel": stage.channel, "faults": changes})


def refuse(stage: Stage, code: int = 4006) -> None:
    """No way back: neither resuming nor identifying."""
    stage.sim.post("/faults/refuse", user=stage.sim.bot, count=1000)
    stage.sim.post("/faults/refuse", user=stage.sim.bot, code=code, count=1000)


def lose(stage: Stage, user: str, *ops: int) -> None:
    for op in ops:
        stage.sim.post("/faults/drop", user=user, op=op, count=1000)


def join(stage: Stage) -> dict:
    stage.sabotage(lambda: refuse(stage))
    return stage.talk(stage.call())


def late_join(stage: Stage) -> dict:
    anna = stage.call()
    stage.sabotage(lambda: faults(stage, loss=1.0))
    ben = stage.speaker("Ben")
    stage.share_keys(anna, ben)
    stage.introduce(ben)
    return stage.talk(ben)


def leave(stage: Stage) -> dict:
    anna = stage.call()
    if not stage.broken:
        stage.guest.ask("leave", channel=stage.channel)
    stage.until(lambda: stage.where() is None, "the bot is out of the call", 10)
    stage.until(lambda: stage.sim.bot not in anna.show()["others"], "the others know that it left", 10)
    return {}


def four_at_once(stage: Stage) -> dict:
    guest, speakers, errors = stage.log_in(), [], []
    stage.sabotage(lambda: faults(stage, loss=1.0))

    def enter(do) -> None:
        try:
            do()
        except (GuestError, SimError) as error:
            errors.append(error)

    entrants = [lambda name=name: speakers.append(stage.speaker(name)) for name in ("Anna", "Ben", "Cleo")]
    entrants.append(lambda: guest.ask("join", channel=stage.channel))
    threads = [threading.Thread(target=enter, args=(do,)) for do in entrants]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    stage.share_keys(*speakers)
    stage.introduce(*speakers)
    return stage.talk(*speakers)


def disturbed(stage: Stage, disturb, talking: bool = False) -> dict:
    """A call, a disturbance, and the same call again, without being asked."""
    anna = stage.call()
    since = stage.sim.cursor()
    stage.sabotage(lambda: refuse(stage))
    if talking:
        stage.say(anna, 4.0, start_only=True)
        time.sleep(0.3)
    disturb()
    how = stage.back(since)
    stage.guest.ask("wait_connected")
    stage.share_keys(anna)
    return {"by": how.removeprefix("voice_")} | stage.talk(anna)


def close(stage: Stage, code: int | None) -> None:
    body = {"user": stage.sim.bot} | ({"code": code} if code else {})
    stage.sim.post("/voice/close", **body)


def cut(stage: Stage) -> dict:
    return disturbed(stage, lambda: close(stage, None))


def cut_talking(stage: Stage) -> dict:
    return disturbed(stage, lambda: close(stage, None), talking=True)


def close_4015(stage: Stage) -> dict:
    return disturbed(stage, lambda: close(stage, 4015))


def move_talking(stage: Stage) -> dict:
    return move(stage, talking=True)


def move(stage: Stage, talking: bool = False) -> dict:
    anna = stage.call()
    ben, since = stage.speaker("Ben", stage.other), stage.sim.cursor()
    if talking:
        stage.say(anna, 4.0, start_only=True)
        time.sleep(0.3)
    stage.sabotage(lambda: refuse(stage))
    stage.sim.post("/voice/move", user=stage.sim.bot, channel=stage.other)
    stage.back(since)
    stage.guest.ask("wait_connected")
    stage.share_keys(ben)
    stage.introduce(ben)
    return stage.talk(ben)


def loss(stage: Stage) -> dict:
    anna = stage.call()
    faults(stage, loss=0.05)
    stage.sabotage(lambda: faults(stage, loss=0.5))
    return stage.talk(anna, heard=0.8, spoken=0.7)


def invalid_commit(stage: Stage) -> dict:
    """A commit arrives damaged: the library says so by op 31, and is removed and added again."""
    anna = stage.call()
    stage.sim.post("/faults/drop", user=stage.sim.bot, op=29, count=1, spoil=True)
    stage.sabotage(lambda: lose(stage, stage.sim.bot, 30))
    since, ben = stage.sim.cursor(), stage.speaker("Ben")
    event = stage.sim.wait_event(since, "dave_invalid", lambda event: event["user"] == stage.sim.bot, 20)
    stage.sim.wait_event(event["index"], "dave_epoch", lambda event: stage.sim.bot in event["members"], 15)
    stage.share_keys(anna, ben)
    return stage.talk(anna)


def lost_commit(stage: Stage) -> dict:
    """A commit never arrives. The library cannot know before the next change, and must recover then."""
    anna = stage.call()
    stage.sim.post("/faults/drop", user=stage.sim.bot, op=29, count=1)
    stage.sabotage(lambda: lose(stage, stage.sim.bot, 30))
    ben, since = stage.speaker("Ben"), stage.sim.cursor()
    ben.wait_keys(anna.user)
    stage.speakers.remove(ben)
    ben.leave()
    event = stage.sim.wait_event(since, "dave_invalid", lambda event: event["user"] == stage.sim.bot, 20)
    stage.sim.wait_event(event["index"], "dave_epoch", lambda event: stage.sim.bot in event["members"], 15)
    stage.share_keys(anna)
    return stage.talk(anna)


def close_then_rejoin(stage: Stage, code: int) -> dict:
    """The session is lost for good. A library either comes back by itself, or when it is asked to leave and join."""
    anna = stage.call()
    since = stage.sim.cursor()
    if code == 4006:
        stage.sim.post("/faults/refuse", user=stage.sim.bot, count=1)
    stage.sabotage(lambda: refuse(stage))
    close(stage, code)
    try:
        stage.back(since, 4)
        by = "itself"
    except Failed:
        by = "being asked"
        stage.guest.ask("leave", channel=stage.channel)
        stage.until(lambda: stage.where() is None, "the bot is out of the call", 20)
        stage.guest.ask("join", channel=stage.channel)
    stage.guest.ask("wait_connected")
    stage.share_keys(anna)
    return {"by": by} | stage.talk(anna)


def close_4006(stage: Stage) -> dict:
    return close_then_rejoin(stage, 4006)


def close_4014(stage: Stage) -> dict:
    return close_then_rejoin(stage, 4014)


def server_move(stage: Stage) -> dict:
    anna = stage.call()
    since = stage.sim.cursor()
    stage.sabotage(lambda: refuse(stage))
    stage.sim.post("/voice/server", channel=stage.channel)
    # Scripted speakers do not follow a moving server by themselves.
    stage.speakers.remove(anna)
    try:
        anna.leave()
    except SimError:
        pass
    ben = stage.speaker("Ben")
    stage.back(since)
    stage.guest.ask("wait_connected")
    stage.share_keys(ben)
    stage.introduce(ben)
    return stage.talk(ben)


def gateway_cut(stage: Stage) -> dict:
    anna = stage.call()
    since = stage.sim.cursor()
    stage.sabotage(lambda: stage.sim.post("/faults/rest", path="/gw", status=503, count=1000))
    stage.sim.post("/gateway/close", bot=stage.sim.bot)
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline:
        kinds = {event["event"] for event in stage.sim.events(since) if event.get("user") == stage.sim.bot}
        if kinds & {"gateway_resumed", "gateway_identified"}:
            return stage.talk(anna)
        time.sleep(0.2)
    raise Failed("the library did not come back to the gateway within 25 s")


def encrypted(stage: Stage) -> dict:
    """For a library without DAVE: what happens in an encrypted call."""
    since = stage.sim.cursor()
    try:
        stage.log_in().ask("join", channel=stage.sim.channel, seconds=25)
    except GuestError as error:
        codes = [event["code"] for event in stage.sim.events(since, "voice_closed")]
        raise Failed(f"the voice gateway closed with {sorted(set(codes), key=str)}; the library says: {error}") from error
    return {}


SCENARIOS = {
    "join": join,
    "late join": late_join,
    "leave": leave,
    "four at once": four_at_once,
    "cut": cut,
    "cut while others talk": cut_talking,
    "move": move,
    "move while others talk": move_talking,
    "5 % loss": loss,
    "op 31 recovery": invalid_commit,
    "lost commit": lost_commit,
    "4006": close_4006,
    "4014": close_4014,
    "4015": close_4015,
    "server move": server_move,
    "gateway cut": gateway_cut,
}
NEED_DAVE = {"op 31 recovery", "lost commit"}
