"""What is wrong with a manifest of films, or with one of its lines."""

from __future__ import annotations

MANIFEST_LACKS = "The manifest lacks the column {missing}. Its first line has: {has}.{option}"
OR_OPTION_SOURCE = " (Without a column for the source, --source names the one that all films came from.)"
MANIFEST_TWICE = "The manifest has the column {twice} more than once."
MANIFEST_EMPTY = "The manifest lists no film."
MANIFEST_NOT_UTF8 = "The manifest is not UTF-8 text. Save it as 'CSV UTF-8'."
MANIFEST_NO_CSV = "The manifest is no CSV table: line {line}: {reason}."
ROW_LENGTH = "{n} values where the first line names {columns} columns"
ROW_TWICE = "the same file as in line {line}"
ROW_NO_SOURCE = "no source"
ROW_NO_FILE = "no file name"
ROW_OUTSIDE = "the file lies outside the folder of images"
ROW_NOT_THERE = "no such file in the folder of images"
ROW_NOT_OPENED = "cannot be opened: {reason}"
ROW_LABEL = "label is '{word}'; it must be one of {labels}, or empty"
ROW_AGE = "age_years is '{word}'; it must be whole years from 0 to {oldest}, or empty"
ROW_SEX = "sex is '{word}'; it must be M, F or O, or empty"
ROW_OTHER_NUMBER = "patient_id is not the patient number in the file's own header"
ROW_OTHER_PATIENT = (
    "this film is already stored under another patient. Check the patient; nothing was changed"
)
ROW_OTHER_LABEL = "this study's label from {source} is already {label}, and is kept for ever"
ALREADY_IMPORTED = "already here"
NO_IMPORTER = "There is no active {who} to import as. --as names somebody else."
NO_SUCH_TEAM = "There is no team '{team}'. The teams are: {names}."
LABELS = {"covid": "COVID-19", "noncovid": "Non-COVID", "unknown": "unknown"}
