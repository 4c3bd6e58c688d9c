"""Why the AI does not look at a film, and what is said when a radiologist has it looked at all the same."""

from __future__ import annotations

# The input gate's codes (ml.gate.REASONS) in words that fit 'Not assessed: {reason}.'
GATE_REASONS = {
    "lateral": "lateral view",
    "rotated_90": "turned by 90°",
    "rotated_180": "upside down",
    "rotated_270": "turned by 90°",
    "inverted": "inverted, bone is dark",
    "cropped": "part of the chest is missing",
    "ct": "CT or MR slice",
    "other": "not a chest X-ray",
    "unknown": "unlike the films that the AI knows",
    "no_lungs": "no lungs found",
}
GATE_ADVICE = {
    "lateral": "Send the PA or AP view.",
    "rotated_90": "Send the film upright.",
    "rotated_180": "Send the film upright.",
    "rotated_270": "Send the film upright.",
    "inverted": "Send the film with bone bright.",
    "cropped": "Send the whole film.",
    "ct": "Send the PA or AP view of a chest X-ray.",
    "other": "Send the PA or AP view of a chest X-ray.",
}
FOUND_IN_PICTURE = "Found in the picture by software, which can be wrong."
FOUND_IN_HEADER = "The file's header says so."
VIEW_CHECKED = (
    "The picture was checked: nothing in it speaks against an upright frontal chest film. "
    "The check cannot see a mirrored film or a child's."
)
ASSESS_ANYWAY = (
    "The AI was made for upright frontal films of adults' chests and was never measured on others: on such a film its "
    "score can mean anything. You get the score, no finding and no heatmap. Everybody who may see the study sees the "
    "score and who asked for it. You can take it back."
)
ASKED_ANYWAY = "Will be analysed although: {reason}."
TAKEN_BACK = "Taken back: the film is not assessed. The score stays in its history."
ONLY_RADIOLOGISTS = "A film that is not assessed is analysed at a radiologist's request only."
NOT_LEFT_OUT = "This film is assessed anyhow: ask for an analysis of its study."
ANYWAY_HINT = "A radiologist may have it analysed all the same."
NO_MAP_ON_REQUEST = "No heatmap: the film was analysed on request, without a finding."
