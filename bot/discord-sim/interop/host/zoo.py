"""Publicly reported faults of encrypted calls, by the names that the simulation gives them."""

import time

from calls import close, faults
from stage import Failed, GuestError, Stage

# A library may lose a good deal while keys change; below this it is deaf.
LEAST = 0.25


def provoke(stage: Stage, fault: str, user: str) -> None:
    stage.sim.post("/faults/dave", user=user, fault=fault)
    stage.sabotage(lambda: faults(stage, loss=1.0))


def measured(stage: Stage, speaker, frames: list[str], least: float = LEAST) -> dict:
    time.sleep(0.6)
    share = stage.share(speaker, frames)
    if share < least:
        raise Failed(f"heard {share:.0%} of a speaker's frames")
    return {"heard": round(share, 3)}


def through_changes(stage: Stage, fault: str, rounds: int, seconds: float) -> dict:
    """A speaker talks while others come and go."""
    anna = stage.call()
    provoke(stage, fault, stage.sim.bot)
    stage.guest.ask("listen", user=anna.user)
    begun = time.monotonic()
    frames = stage.say(anna, seconds, start_only=True)
    for number in range(rounds):
        ben = stage.speaker(f"Ben {number}")
        ben.wait_keys(anna.user)
        stage.speakers.remove(ben)
        ben.leave()
        time.sleep(0.3)
    time.sleep(max(0.0, begun + seconds - time.monotonic()) + 0.6)
    through = round(stage.share(anna, frames), 3)
    # What is lost while keys change is measured; afterwards all must be there.
    stage.share_keys(anna)
    return stage.talk(anna) | {"through": through}


def clear_frames(stage: Stage) -> dict:
    anna = stage.call()
    provoke(stage, "clear_frames", anna.user)
    stage.guest.ask("listen", user=anna.user)
    return measured(stage, anna, stage.say(anna, 4.0), 0.8)


def early_packets(stage: Stage) -> dict:
    return through_changes(stage, "early_packets", 2, 5.0)


def late_commits(stage: Stage) -> dict:
    return through_changes(stage, "late_commits", 2, 6.0)


def refused_twice(stage: Stage) -> dict:
    guest, anna = stage.log_in(), stage.speaker("Anna")
    provoke(stage, "refused_twice", stage.sim.bot)
    for attempt in range(1, 4):
        try:
            guest.ask("join", channel=stage.channel, seconds=25)
            break
        except GuestError:
            if attempt == 3:
                raise
            try:
                guest.ask("leave", channel=stage.channel)
            except GuestError:
                pass
    stage.share_keys(anna)
    stage.introduce(anna)
    return stage.talk(anna) | {"joins": attempt}


def reconnect_loop(stage: Stage) -> dict:
    anna = stage.call()
    since = stage.sim.cursor()
    provoke(stage, "reconnect_loop", stage.sim.bot)
    close(stage, 4015)
    stage.back(since)
    # Five more closes follow; a library that goes on has them behind it soon.
    time.sleep(6)
    stage.guest.ask("wait_connected")
    stage.share_keys(anna)
    return stage.talk(anna)


def restarted_group(stage: Stage) -> dict:
    anna = stage.call()
    since = stage.sim.cursor()
    provoke(stage, "restarted_group", anna.user)
    stage.sim.wait_event(since, "dave_epoch", lambda event: stage.sim.bot in event["members"], 15)
    # Old keys are kept for ten seconds.
    time.sleep(11)
    return stage.talk(anna)


def unmapped_streams(stage: Stage) -> dict:
    anna = stage.call()
    provoke(stage, "unmapped_streams", stage.sim.bot)
    ben = stage.speaker("Ben")
    stage.share_keys(anna, ben)
    time.sleep(0.7)
    stage.guest.ask("listen", user=ben.user)
    return measured(stage, ben, stage.say(ben, 3.0), 0.2)


def joined_together(stage: Stage) -> dict:
    anna = stage.call()
    provoke(stage, "joined_together", anna.user)
    ben, cleo = stage.speaker("Ben"), stage.speaker("Cleo")
    stage.share_keys(anna, ben, cleo)
    stage.introduce(ben, cleo)
    return stage.talk(ben, cleo)


def camera(stage: Stage) -> dict:
    anna = stage.call()
    provoke(stage, "camera", anna.user)
    return stage.talk(anna)


def transition_zero(stage: Stage) -> dict:
    anna = stage.call()
    provoke(stage, "transition_zero", anna.user)
    ben = stage.speaker("Ben")
    stage.share_keys(anna, ben)
    stage.introduce(ben)
    return stage.talk(ben)


SCENARIOS = {
    "clear_frames": clear_frames,
    "early_packets": early_packets,
    "refused_twice": refused_twice,
    "reconnect_loop": reconnect_loop,
    "late_commits": late_commits,
    "restarted_group": restarted_group,
    "unmapped_streams": unmapped_streams,
    "joined_together": joined_together,
    "camera": camera,
    "transition_zero": transition_zero,
}
