"""Which films are not frontal, by what their header says. The AI was trained on frontal films and answers for no other.

Standard library only. What the header does not say is not guessed: such a film counts as frontal.
"""

from __future__ import annotations

import re

LATERAL, OBLIQUE, DECUBITUS = "lateral view", "oblique view", "decubitus view"

# View Position (0018,5101), PS3.3 C.8.1.1 and C.8.11.5, and what makers write in its place.
_BY_CODE = {
    "LL": LATERAL,
    "RL": LATERAL,
    "LATERAL": LATERAL,
    "LAT": LATERAL,
    "LLAT": LATERAL,
    "RLAT": LATERAL,
    "LATL": LATERAL,
    "LATR": LATERAL,
    "LLO": OBLIQUE,
    "RLO": OBLIQUE,
    "LAO": OBLIQUE,
    "RAO": OBLIQUE,
    "LPO": OBLIQUE,
    "RPO": OBLIQUE,
    "LLD": DECUBITUS,
    "RLD": DECUBITUS,
}
_BY_WORD = (("DECUB", DECUBITUS), ("OBLI", OBLIQUE), ("LATERAL", LATERAL))
_FRONTAL = ("AP", "PA")


def not_frontal(view_position: str, *, patient_orientation: str = "") -> str:
    """Why a film is not assessed, such as 'lateral view'; empty for a frontal film and for one that does not say.

    View Position comes first. Only where it is silent, Patient Orientation (0020,0020) decides: rows of a lateral film
    run to the front or to the back of the patient (PS3.3 C.7.6.1.1.1).
    """
    view = "".join(letter for letter in view_position.upper() if letter.isalpha())
    if view in _BY_CODE:
        return _BY_CODE[view]
    for word, reason in _BY_WORD:
        if word in view:
            return reason
    if view.startswith(_FRONTAL):
        return ""
    direction = re.search(r"[A-Z]", patient_orientation.upper())
    return LATERAL if direction and direction[0] in "AP" else ""
