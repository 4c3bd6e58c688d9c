"""Films on their way out: de-identified, under pseudonyms only."""

from __future__ import annotations

from diagnosis import engine, pseudonyms, renditions, texts
from diagnosis.models import Instance


class TextSuspectedError(Exception):
    """Text in the image may name the patient: the film does not leave as 'de-identified' until it is cleared."""


def deidentified_dicom(instance: Instance) -> bytes:
    """A DICOM file of the film. Raises TextSuspectedError, OSError if its grey levels are gone."""
    if instance.is_barred:
        raise TextSuspectedError(texts.TEXT_SUSPECTED)
    series = instance.series
    study = series.study
    study_of, series_of = study.uid_hash or study.pk.hex, series.uid_hash or series.pk.hex
    return engine.deidentified_dicom(
        instance.folder / renditions.PIXELS,
        bits=instance.bits,
        low=instance.window_low,
        high=instance.window_high,
        windows=instance.windows,
        study_uid=pseudonyms.uid_of("study", study_of),
        # One series UID of two studies, or one instance UID of two pictures, are told apart.
        series_uid=pseudonyms.uid_of("series", f"{study_of}\0{series_of}"),
        sop_uid=pseudonyms.uid_of(
            "instance", f"{instance.uid_hash or instance.pk.hex}\0{instance.pixel_sha256}"
        ),
        patient=study.patient.pseudonym if study.patient else "",
        sex=study.sex,
        age_years=study.age_years,
        is_lossy=instance.is_lossy or instance.source_format == "jpeg",
        text_cleared=instance.text_cleared_at is not None,
        attributes=instance.attributes,
    )


def file_name(instance: Instance) -> str:
    """Says which film it is and nothing of whom it shows."""
    return f"{instance.series.study.number}-{instance.pk.hex[:8].upper()}.dcm"
