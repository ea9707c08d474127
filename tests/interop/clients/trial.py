"""What a client's script is made of: as trial.ts, for clients in Python."""

import json
import signal
import sys
import threading
import time
import traceback
import uuid

TRIAL_SECONDS = 45


class Place:
    """Where the trials take place."""

    def __init__(self, bootstrap, nodes):
        self.bootstrap = bootstrap
        self.brokers = bootstrap.split(",")
        self.nodes = nodes
        self._life = uuid.uuid4().hex[:8]
        self._number = 0

    def fresh(self, name):
        """A name that nobody else has: for topics, groups and transactional ids."""
        self._number += 1
        return f"{name}-{self._life}-{self._number}"

    def kill(self, node):
        order({"kill": node})

    def restart(self, node):
        order({"restart": node})


def order(what):
    """Asks whoever runs the script, on its stdout; the answer is a line on stdin."""
    say(what)
    sys.stdin.readline()


def say(line):
    print("@" + json.dumps(line), flush=True)


def run(trials, member):
    """Runs the trials named on the command line, or all; one line of JSON for each.

    With --member, the addresses, a topic and a group it is a member of that group instead.
    """
    if sys.argv[1:2] == ["--member"]:
        be_member(member, *sys.argv[2:])
        return
    bootstrap, nodes, *names = sys.argv[1:] or ["127.0.0.1:9092", "1"]
    place = Place(bootstrap, int(nodes))
    for capability, trial in trials.items():
        if names and capability not in names:
            continue
        if isinstance(trial, str):
            say({"capability": capability, "outcome": "cannot", "reason": trial})
            continue
        say(outcome_of(capability, trial, place))
    sys.stdout.flush()
    import os

    os._exit(0)


def be_member(join, bootstrap, topic, group):
    """Reads as part of the group until it is told to leave."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    for partition, offset in join(Place(bootstrap, 1), topic, group, told):
        print(f"=[{partition},{offset}]", flush=True)


def outcome_of(capability, trial, place):
    result = {"capability": capability, "outcome": "failed"}
    result["reason"] = f"Not done within {TRIAL_SECONDS} s"

    def attempt():
        begun = time.monotonic()
        try:
            trial(place)
            ms = round((time.monotonic() - begun) * 1000)
            result.update(outcome="passed", ms=ms, reason="")
        except BaseException:  # noqa: whatever it is, it is told
            result["reason"] = traceback.format_exc()

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(TRIAL_SECONDS)
    return dict(result)


def same(actual, expected, what="It"):
    if actual != expected:
        raise AssertionError(f"{what} is {actual!r}"[:400] + f", not {expected!r}"[:400])


def until(what, ask):
    """Asks again until it is so."""
    end = time.monotonic() + 30
    while not ask():
        if time.monotonic() > end:
            raise AssertionError(f"Not within 30 s: {what}")
        time.sleep(0.02)


def texts(count, prefix="v"):
    return [f"{prefix}{index}" for index in range(count)]


# Not long ago, or retention would take what is written with it.
START = int(time.time() * 1000) - 3_600_000
