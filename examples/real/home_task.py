"""A task to fine-tune on: requests to a smart home, answered by what was done in a fixed form.

    python examples/real/home_task.py

writes task_train.jsonl and task_test.jsonl beside this script. The same seed gives the same files.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from holdfast.prompts.near_duplicates import count_near_duplicates
from holdfast.records import Prompt

FOLDER = Path(__file__).parent
NUM_TRAIN, NUM_TEST = 300, 64

ROOMS = "attic balcony basement bathroom bedroom cellar garage garden hall kitchen library lounge nursery office studio"
OPENINGS = (
    *(
        "Please",
        "Could you",
        "Can you",
        "I want you to",
        "Before I go to bed,",
        "Guests are coming, so",
        "Be so kind and",
    ),
    *("My hands are full:", "It is late,", "As soon as you can,", "If nobody objects,", "Hey,", "Now", "When I leave,"),
    *(
        "The children ask you to",
        "For the next hour,",
        "Don't ask why, just",
        "First of all,",
        "Once more,",
        "Right away,",
    ),
)
CLOSINGS = ("", "", ", thanks", ", and hurry", " for me", ", will you", ", as always", ", my dear house", " if you can")
REQUESTS = {
    ("light", "on"): ("switch on the light in the {room}", "light up the {room}", "make it bright in the {room}"),
    ("light", "off"): ("switch off the light in the {room}", "let the {room} go dark", "put out the {room} lamp"),
    ("blinds", "up"): (
        "raise the blinds in the {room}",
        "let the morning sun into the {room}",
        "pull up the {room} blinds",
    ),
    ("blinds", "down"): ("lower the blinds in the {room}", "keep the sun out of the {room}", "drop the {room} blinds"),
    ("window", "open"): ("open the window in the {room}", "let some air into the {room}", "get the {room} window open"),
    ("window", "shut"): (
        "shut the window in the {room}",
        "keep the wind out of the {room}",
        "close up the {room} window",
    ),
    ("door", "locked"): ("lock the door to the {room}", "let nobody into the {room}", "bolt the {room} door"),
    ("door", "unlocked"): ("unlock the door to the {room}", "let us into the {room}", "free the {room} door"),
    ("heating", "{number} degrees"): (
        *("heat the {room} to {number} degrees", "set {number} degrees in the {room}"),
        "make the {room} {number} degrees warm",
    ),
    ("timer", "{number} minutes"): (
        *("set a timer of {number} minutes in the {room}", "remind me in the {room} after {number} minutes"),
        "count down {number} minutes in the {room}",
    ),
    ("music", "{style}"): (
        "play some {style} in the {room}",
        "fill the {room} with {style}",
        "put on {style} in the {room}",
    ),
}
STYLES = ("jazz", "rock", "blues", "folk", "techno", "opera", "soul", "tango")


def main() -> None:
    """Writes both files; no training prompt resembles a test prompt."""
    rows = distinct_rows(random.Random(0))
    test = [next(rows) for _ in range(NUM_TEST)]
    asked = [Prompt(row["prompt"]) for row in test]
    train = []
    while len(train) < NUM_TRAIN:
        row = next(rows)
        if not count_near_duplicates([Prompt(row["prompt"])], asked):
            train.append(row)
    write("task_train", train)
    write("task_test", test)


def distinct_rows(draw: random.Random) -> Iterator[dict[str, str]]:
    """Yields requests with their answers, each request once."""
    seen = set()
    while True:
        row = make_row(draw)
        if row["prompt"] not in seen:
            seen.add(row["prompt"])
            yield row


def make_row(draw: random.Random) -> dict[str, str]:
    """One request, such as "Please light up the hall.", and its answer, "Done: light, hall, on"."""
    device, state = draw.choice(list(REQUESTS))
    wanted = {"room": draw.choice(ROOMS.split()), "number": draw.randrange(10, 30), "style": draw.choice(STYLES)}
    request = draw.choice(REQUESTS[device, state])
    text = f"{draw.choice(OPENINGS)} {request}{draw.choice(CLOSINGS)}."
    return {"prompt": text.format(**wanted), "answer": f"Done: {device}, {{room}}, {state}".format(**wanted)}


def write(name: str, rows: list[dict[str, str]]) -> None:
    """Saves rows as JSON lines beside this script."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (FOLDER / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
