"""Answers as the documentation shows them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample

from diagnosis import texts
from diagnosis.states import Finding

STUDY = "3f2a9c1e-5b7d-4e21-9a0c-6f1d2b3c4d5e"
FILM = "8b1f6a52-0c3d-4f7e-8a19-2d5e7c9b1f30"
PREDICTION = "c07b2f4d-9e18-4a6b-b3d2-7f5a1c8e0d64"
UPLOAD_ID = "5d0e7c3a-2b8f-4c19-a6e4-1f9b3d7c2a85"
BATCH_ID = "1c9e4b7a-6d2f-4a83-9b05-e7f3c1d8a264"
AT, LATER = "2026-03-03T13:10:05Z", "2026-03-03T13:10:06Z"
SHA256 = "a91f" + "0c7b5e3d" * 7 + "2f4a"
SITE = "https://covidweb.example"

OUTCOME: dict[str, Any] = {
    "id": UPLOAD_ID,
    "status": "accepted",
    "code": "accepted",
    "sentence": texts.WAITING_FOR_ANALYSIS,
    "is_final": True,
    "position": 0,
    "size_bytes": 8_412_330,
    "received_at": AT,
    "finished_at": LATER,
    "parent": None,
    "instance": FILM,
    "study": STUDY,
}
LISTED: dict[str, Any] = {
    "id": STUDY,
    "number": STUDY[:8].upper(),
    "patient": "K7QM-2X9D-5",
    "team": "Emergency department",
    "source": None,
    "received_at": AT,
    "status": "analysed",
    "finding": Finding.ABOVE,
    "probability": 0.87,
    "checkpoint": SHA256,
    "url": f"{SITE}/api/studies/{STUDY}/",
    "result": f"{SITE}/api/studies/{STUDY}/result/",
}
RESULT_VALUE: dict[str, Any] = {
    "study": STUDY,
    "status": "analysed",
    "text": str(texts.finding(Finding.ABOVE, probability=0.87, band_low=0.21, band_high=0.61)),
    "finding": Finding.ABOVE,
    "although": None,
    "probability": 0.87,
    "probability_at_site_prevalence": 0.171,
    "operating_point": 0.4,
    "band_low": 0.21,
    "band_high": 0.61,
    "prediction": PREDICTION,
    "instance": FILM,
    "checkpoint": {"sha256": SHA256, "name": "COVIDNet D3", "pretrained_on": "Tiny-ImageNet"},
    "notice": texts.FOOTER,
}
NOTHING_YET = dict.fromkeys(
    (
        "finding",
        "probability",
        "probability_at_site_prevalence",
        "operating_point",
        "band_low",
        "band_high",
        "prediction",
        "checkpoint",
    )
)


def _answer(name: str, value: Any, *, status: str = "200") -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True, status_codes=[status])


def _request(name: str, value: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True)


BATCH = OpenApiExample(
    "One film, accepted",
    value={
        "id": BATCH_ID,
        "team": "Emergency department",
        "created_at": AT,
        "is_final": True,
        "uploads": [OUTCOME],
        "notice": texts.FOOTER,
    },
    response_only=True,
    status_codes=["200", "201"],
)
UPLOAD = _answer("Accepted", {**OUTCOME, "batch": BATCH_ID, "notice": texts.FOOTER})
STUDIES = _answer("One page", {"studies": [LISTED], "next": None, "notice": texts.FOOTER})
SEARCH = _request("By accession number", {"kind": "accession", "number": "A-2026-004711"})
FOUND = _answer("One study", {"studies": [LISTED], "is_complete": True, "notice": texts.FOOTER})
RESULT = _answer("Above the band", RESULT_VALUE)
WAITING = _answer(
    "Not analysed yet",
    {
        **RESULT_VALUE,
        **NOTHING_YET,
        "status": "waiting",
        "text": str(texts.without_result("queued", ahead=4)),
    },
)
REASON = _request("Wrong patient", {"reason": "Sent under the wrong patient."})
ANALYSES = _request("One film", {"instance": FILM})
ASSESSMENT = _request("Take it back", {"undo": True})
ON_REQUEST = _answer(
    "On request",
    {
        **RESULT_VALUE,
        "finding": None,
        "although": "lateral view",
        "text": str(texts.on_request("lateral view", probability=0.87)),
    },
)
HEATMAP = _answer(
    "A map of 2 × 2 cells",
    {
        "rows": 2,
        "columns": 2,
        "values": [0.0, 0.4, 1.7, 0.2],
        "scale": 2.0,
        "box": [0.0, 0.0, 1.0, 1.0],
        "picture": f"/predictions/{PREDICTION}/heatmap/",
        "overlay": f"/api/predictions/{PREDICTION}/overlay/",
        "prediction": PREDICTION,
        "text": texts.heatmap(rows=2, columns=2),
        "notice": texts.FOOTER,
    },
)
READ_ID, REGION_ID = "7e1d4c2b-9a3f-4b60-8c15-d2f0e9a7b364", "e4b8a1f6-3c5d-4029-b7e8-6a1d0f9c2b53"
READ_VALUE: dict[str, Any] = {
    "id": READ_ID,
    "study": STUDY,
    "study_number": STUDY[:8].upper(),
    "patient": "K7QM-2X9D-5",
    "source": None,
    "reader": "R-07",
    "answer": "typical",
    "label": "covid",
    "answer_table": 1,
    "confidence": 3,
    "findings": ["consolidation", "bilateral"],
    "reason": "",
    "comment": None,
    "is_blinded": True,
    "kind": "first",
    "why": None,
    "status": "submitted",
    "supersedes": None,
    "session": None,
    "active_ms": 41_300,
    "opened_at": AT,
    "submitted_at": LATER,
    "view": {},
    "regions": [
        {
            "id": REGION_ID,
            "instance": FILM,
            "kind": "box",
            "points": [[310.0, 1220.5], [870.0, 1760.0]],
            "finding": "consolidation",
        }
    ],
}
READS = _answer("One page of reads", {"reads": [READ_VALUE], "next": None, "notice": texts.FOOTER})
REGIONS = _answer(
    "One box",
    {
        "info": {
            "format": 1,
            "schema": f"{SITE}/reads/schema.json",
            "exported_at": AT,
            "notice": texts.FOOTER,
        },
        "licenses": [],
        "categories": [
            {"id": 2, "name": "Consolidation", "code": "consolidation", "supercategory": "finding"}
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 2,
                "bbox": [310.0, 1220.5, 560.0, 539.5],
                "segmentation": [[310.0, 1220.5, 870.0, 1220.5, 870.0, 1760.0, 310.0, 1760.0]],
                "area": 302_120.0,
                "iscrowd": 0,
                "kind": "box",
                "region": REGION_ID,
                "read": READ_ID,
                "reader": "R-07",
                "status": "submitted",
            }
        ],
        "images": [{"id": 1, "width": 2048, "height": 2496, "file_name": FILM, "study": STUDY}],
    },
)
