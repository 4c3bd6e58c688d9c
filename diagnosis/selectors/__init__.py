"""The queries behind pages; each page asks a constant number of them. Re-exports, nothing else."""

from diagnosis.selectors.studies import (
    PAGE_SIZE,
    FilmState,
    Filters,
    Page,
    StudyState,
    cursor_of,
    film_state,
    imported_reads,
    narrowed,
    parsed_cursor,
    studies_page,
    study_for_page,
    study_state,
    with_films,
)
from diagnosis.selectors.system import DAY, System, percentile, system
from diagnosis.selectors.uploads import UploadState, recent_batches, upload_state, uploads_of

__all__ = [
    "DAY",
    "PAGE_SIZE",
    "FilmState",
    "Filters",
    "Page",
    "StudyState",
    "System",
    "UploadState",
    "cursor_of",
    "film_state",
    "imported_reads",
    "narrowed",
    "parsed_cursor",
    "percentile",
    "recent_batches",
    "studies_page",
    "study_for_page",
    "study_state",
    "system",
    "upload_state",
    "uploads_of",
    "with_films",
]
