"""Labels that look wrong: what the page says of them, of the probabilities behind them, and of what came of a batch."""

from __future__ import annotations

from diagnosis.states import Label, LabelRule

CLASSES = {Label.COVID: "COVID-19", Label.NONCOVID: "Non-COVID", Label.UNKNOWN: "unknown", "": "no label"}

# --- where probabilities come from ---
ONLY_UNSEEN = (
    "A network repeats the labels that it learned, right or wrong. So a label is judged only by networks that never "
    "saw its film: scores of films that were held out, or a checkpoint that lists what it was made with."
)
OF_SCORES = "Held-out scores '{name}'"
OF_CHECKPOINT = "Checkpoint {name}"
# What the number beside a film is called: a held-out score is not the AI score that its study page shows.
SCORE_NAMES = {"scores": "Held-out score", "checkpoint": "AI score"}
NO_LIST = (
    "{name} does not list the films that it was trained on. What it says of a film may only repeat a label that it "
    "learned, even of films that came in later: an upload may hold a film of a public collection. Its scores judge no "
    "label here. A checkpoint that is trained from now on lists its films."
)
NOT_READ = "{name} cannot be asked which films it was trained on: {reason}."
NO_GROUNDS = (
    "No probability here is known to come from a network that never saw its film.",
    "Train by cross-fitting on a manifest of films that are here (python -m ml crossfit), and import its table: "
    "manage.py import_scores scores.csv --manifest manifest.csv",
)
UNKNOWN_GROUNDS = "These probabilities are not here any more. These are the newest ones."

# --- why nothing is said ---
NOTHING = {
    "no_films": (
        "None of these films has a label that is decided: COVID-19 or Non-COVID, by readers or by an import."
    ),
    "one_class": (
        "All {n} films have the label {only}. Without films of the other class nothing can be held against a label."
    ),
    "few_films": (
        "{covid} films with the label COVID-19 and {noncovid} Non-COVID: each class needs at least {fewest}. With "
        "fewer, what is usual for a class is a guess."
    ),
    "not_telling": (
        "On {n} films these probabilities tell the two labels apart no better than chance. They cannot judge a label."
    ),
}
NOTHING_SUSPECTED = (
    "No label is suspected. That proves none of them right: a network does not see every error."
)

# --- who could look again ---
NO_READERS = (
    "Nobody here reads films, so nobody could look again. Make an account with the role radiologist first."
)
ONE_READER = (
    "One person reads here. They get back films that they have read themselves, as long as they were not shown what "
    "the AI said; this tells how steady they are, and less of whether a label is right. A second reader tells more."
)

# --- what was done ---
ALREADY_DONE = "These studies were put on the worklist a moment ago, once."
NOTHING_CHOSEN = "No study was chosen that can go back now. Nothing was changed."
TOO_MANY = "At most {most} suspects at a time. Nothing was changed."
DROPPED_NONE = "Nobody is waited for any more in this batch. Nothing was changed."
UNDONE = "Taken back by an administrator"


def studies(n: int) -> str:
    return f"{n} study" if n == 1 else f"{n} studies"


def suspects(n: int) -> str:
    return f"{n} suspect" if n == 1 else f"{n} suspects"


def at_random(n: int) -> str:
    return f"{n} random study" if n == 1 else f"{n} random studies"


def to_the_worklist(n_suspected: int, n_random: int) -> str:
    """The button: 'Put 3 suspects and 3 random studies on the worklist'."""
    return f"Put {suspects(n_suspected)} and {at_random(n_random)} on the worklist"


def nothing(why: str, *, n_covid: int, n_noncovid: int, fewest: int) -> str:
    only = CLASSES[Label.COVID if n_covid else Label.NONCOVID]
    return NOTHING[why].format(
        n=n_covid + n_noncovid, only=only, covid=n_covid, noncovid=n_noncovid, fewest=fewest
    )


def why_suspected(label: str, *, probability: float, usual_own: float, usual_other: float) -> str:
    """'Labelled Non-COVID. Its probability of COVID-19 is 0.93; films with that label have 0.84 on average, …'"""
    own, other = (probability, Label.NONCOVID) if label == Label.COVID else (1 - probability, Label.COVID)
    return (
        f"The network gives {CLASSES[other]} {1 - own:.2f}, at least the {usual_other:.2f} that films with that label "
        f"have on average. For {CLASSES[label]} it gives {own:.2f}, where {usual_own:.2f} is usual."
    )


def left_out(n: int) -> str:
    """Films that a checkpoint must not judge."""
    verb = "was" if n == 1 else "were"
    return (
        f"{n} film{'' if n == 1 else 's'} that it was trained on, or that belong to the same patient or look the same, "
        f"{verb} left out."
    )


def put_back(n_suspected: int, n_random: int, *, n_left: int, n_short: int) -> str:
    """What became of the click."""
    both = n_suspected + n_random
    said = (
        f"{suspects(n_suspected)} and {at_random(n_random)} {'is' if both == 1 else 'are'} on the worklist."
    )
    if n_short:
        said += (
            f" There were {n_short} fewer random studies than suspects: no other study is labelled, judged, not "
            "suspected, and left for somebody to read."
        )
    if n_left:
        said += (
            f" {suspects(n_left)} of those chosen did not go: {'it' if n_left == 1 else 'they'} had changed meanwhile, "
            f"or everybody who reads here was shown what the AI says of {'it' if n_left == 1 else 'them'}."
        )
    return said


def dropped(n: int) -> str:
    return f"{studies(n)} {'is' if n == 1 else 'are'} no longer waited for. What was read meanwhile is kept."


def share_changed(n_changed: int, n: int, ends: tuple[float, float] | None) -> str:
    """'3 of 10 changed (11–60 %)'."""
    if ends is None:
        return "none read yet"
    low, high = (round(100 * end) for end in ends)
    return f"{n_changed} of {n} changed ({low}–{high} %)"


# --- the import of scores ---
NO_HASHES = (
    "A table of scores names its films by file, and this site keeps no file names. Name the manifest of that training "
    "(--manifest), whose column sha256 says which film is which, or the folder of its files (--images)."
)
NO_HASH_COLUMN = "{name} has no columns file and sha256. Name the folder of the files (--images) instead."
NOT_OPENED = "{name} cannot be read: {reason}."
NAME_TOO_LONG = "The name is longer than {longest} characters. Give a shorter one with --name."
NOT_HERE = (
    "{n} films of the table are not here, or only as another export (the bytes must be the same): {files}"
)
WITHOUT_HASH = "{n} films of the table have no hash in the manifest and no file in the folder: {files}"
NOTHING_MATCHED = "None of the {n} films of the table is known to be here. Nothing was stored."
BROUGHT_IN = "{n} of {of} films matched; {n_scores} scores stored as '{name}'"

# --- where a label comes from ---
RULES = {
    LabelRule.SINGLE: "by one reader",
    LabelRule.UNANIMOUS: "by readers who agree",
    LabelRule.MAJORITY: "by most readers",
    LabelRule.ADJUDICATED: "by an adjudicator",
    LabelRule.IMPORTED: "as imported",
}
