"""What a ZIP may do to the house: nothing. Each way of harm has its sentence, and what is good in it is taken."""

import hashlib
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from ml import archive, formats
from ml.archive import Limits
from ml.formats import SENTENCES, RefusedFilmError
from tests import xrays, zips

LIMITS = Limits(max_files=20, max_file_bytes=5_000_000, max_bytes=20_000_000)
FILM = xrays.png(xrays.film(1))
OTHER = xrays.jpeg(xrays.film(2))


def opened(content: bytes, folder: Path, limits: Limits = LIMITS) -> list[archive.Member]:
    source, out = folder / "in.zip", folder / "out"
    source.write_bytes(content)
    out.mkdir()
    contents = archive.survey(source, limits=limits)
    members = archive.unpack(source, out, [position for position, _ in contents.files], limits=limits)
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(written) == {str(member.position) for member in members if not member.refused}
    for member in members:
        if not member.refused:
            content = written[str(member.position)]
            assert (member.size_bytes, member.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert {path.name for path in folder.iterdir()} == {"in.zip", "out"}
    return members


def sentences(members: list[archive.Member]) -> list[str]:
    return [member.refused[1] if member.refused else "" for member in members]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_films_come_out_as_they_went_in(tmp_path, method):
    members = opened(zips.zipped([("a.png", FILM), ("ward 3/b.jpg", OTHER)], method=method), tmp_path)
    assert [(member.position, member.folder, member.refused) for member in members] == [
        (0, "", None),
        (1, "ward 3", None),
    ]
    assert (tmp_path / "out" / "0").read_bytes() == FILM and (tmp_path / "out" / "1").read_bytes() == OTHER


def test_a_zip64_is_read_like_any_other(tmp_path):
    content = zips.zip64("a.png", FILM)
    assert b"PK\x06\x06" in content
    assert sentences(opened(content, tmp_path)) == [""]


LEFT_OUT = [
    "folder/",
    "folder\\",
    "__MACOSX/a.png",
    "x/__MACOSX/._a.png",
    ".DS_Store",
    "x/.DS_Store",
    "Thumbs.db",
    "THUMBS.DB",
    "x/desktop.ini",
    "DICOMDIR",
    ".git/a.png",
]


def test_folders_and_what_systems_put_there_are_left_out_and_counted(tmp_path):
    source = tmp_path / "in.zip"
    source.write_bytes(zips.zipped([*((name, b"") for name in LEFT_OUT), ("a.png", FILM)]))
    contents = archive.survey(source, limits=LIMITS)
    assert contents.files == ((len(LEFT_OUT), len(FILM)),)
    assert contents.n_skipped == len(LEFT_OUT)


OUTSIDE = ["../a.png", "x/../../a.png", "/etc/a.png", "C:\\a.png", "c:/a.png", "..\\a.png", "\\\\host\\a.png"]


@pytest.mark.parametrize("name", [*OUTSIDE, "__MACOSX/../../a.png", "x/../.hidden"])
def test_a_path_that_leads_out_is_refused_alone_and_written_nowhere(tmp_path, name):
    members = opened(zips.zipped([(name, FILM), ("b.jpg", OTHER)]), tmp_path)
    assert sentences(members) == [SENTENCES["zip_path"], ""]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_are_refused(tmp_path, kind):
    (member,) = opened(zips.zipped([("a.png", FILM)], mode=kind | 0o644), tmp_path)
    assert member.refused == ("zip_link", "A link or device inside the ZIP: send the film itself.")


def test_a_regular_file_with_a_unix_mode_is_taken(tmp_path):
    assert sentences(opened(zips.zipped([("a.png", FILM)], mode=stat.S_IFREG | 0o644), tmp_path)) == [""]


def test_names_that_come_twice_are_two_files(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        content = zips.zipped([("a.png", FILM), ("a.png", OTHER)])
    members = opened(content, tmp_path)
    assert [member.sha256 for member in members] == [
        hashlib.sha256(film).hexdigest() for film in (FILM, OTHER)
    ]


@pytest.mark.parametrize(
    "name", ["Röntgen 肺 😷.png", "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe", "a" * 3000, "a\nb.png"]
)
def test_odd_names_are_no_reason_to_refuse(tmp_path, name):
    assert sentences(opened(zips.zipped([(name, FILM)]), tmp_path)) == [""]


def test_names_in_an_old_code_page_are_no_reason_to_refuse(tmp_path):
    content = zips.zipped([("xxx.png", FILM)]).replace(b"xxx.png", b"\x84\xff\xe9.png")
    assert sentences(opened(content, tmp_path)) == [""]


def test_a_nested_zip_is_refused_alone_even_under_another_name(tmp_path):
    inner = zips.zipped([("a.png", FILM)])
    members = opened(zips.zipped([("b.png", inner), ("c.png", FILM)]), tmp_path)
    assert sentences(members) == ["ZIP inside ZIP: unpack it and send the files.", ""]


def test_good_and_bad_together_each_get_what_they_deserve(tmp_path):
    members = opened(
        zips.zipped(
            [("a.png", FILM), ("b.txt", b"hello"), ("c.png", b""), ("d.pdf", xrays.PDF), ("e.jpg", OTHER)]
        ),
        tmp_path,
    )
    assert sentences(members) == [
        "",
        str(formats.refusal_of(b"hello")),
        SENTENCES["empty"],
        str(formats.refusal_of(xrays.PDF)),
        "",
    ]


@pytest.mark.parametrize(("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "LZMA")])
def test_other_compression_is_named(tmp_path, method, name):
    (member,) = opened(zips.zipped([("a.png", FILM)], method=method), tmp_path)
    assert member.refused == ("zip_method", SENTENCES["zip_method"].format(method=name))


@pytest.mark.parametrize(("number", "name"), [(9, "Deflate64"), (93, "Zstandard"), (77, "number 77")])
def test_compression_that_python_does_not_know_is_named(tmp_path, number, name):
    content = zips.patched(zips.zipped([("a.png", FILM)]), at=10, central=struct.pack("<H", number))
    (member,) = opened(content, tmp_path)
    assert member.refused == ("zip_method", SENTENCES["zip_method"].format(method=name))


def test_one_file_with_a_password_is_refused_alone(tmp_path):
    content = zips.encrypted(zips.zipped([("a.png", FILM), ("b.jpg", OTHER)]), entries=[1])
    assert sentences(opened(content, tmp_path)) == [
        "",
        "Password-protected ZIP: unpack it and send the files.",
    ]


def test_damage_to_one_file_leaves_the_others(tmp_path):
    content = bytearray(zips.zipped([("a.png", FILM), ("b.jpg", OTHER)], method=zipfile.ZIP_STORED))
    content[30 + len("a.png") + 500] ^= 0xFF
    assert sentences(opened(bytes(content), tmp_path)) == [SENTENCES["zip_damaged"], ""]


def test_a_name_that_differs_in_its_local_header_is_damage(tmp_path):
    content = zips.zipped([("a.png", FILM)]).replace(b"a.png", b"z.png", 1)
    assert sentences(opened(content, tmp_path)) == [SENTENCES["zip_damaged"]]


def test_a_file_that_is_larger_than_a_film_may_be_is_refused_unopened(tmp_path):
    (member,) = opened(zips.zipped([("a.png", FILM + bytes(6_000_000))]), tmp_path)
    assert member.refused == ("file_too_big", "Too large: 6 MB; limit 5 MB.")


def test_a_file_that_unpacks_to_more_than_it_declares_writes_no_more_than_that(tmp_path):
    bomb = zips.patched(
        zips.zipped([("a.png", FILM[:1000] + bytes(4_000_000))]), at=24, central=struct.pack("<I", 1000)
    )
    (member,) = opened(bomb, tmp_path)
    assert member.refused == ("zip_damaged", SENTENCES["zip_damaged"])


WHOLE = {
    "cut off": (lambda: zips.zipped([("a.png", FILM)])[:-30], "truncated"),
    "nothing but a mark": (lambda: b"PK\x03\x04", "truncated"),
    "empty": (lambda: zips.zipped([]), "zip_empty"),
    "only folders": (lambda: zips.zipped([("x/", b""), (".DS_Store", b"x")]), "zip_empty"),
    "password-protected": (lambda: zips.encrypted(zips.zipped([("a.png", FILM)])), "zip_encrypted"),
    "too many files": (lambda: zips.zipped([(f"{n}.png", b"x") for n in range(21)]), "zip_too_many"),
    "10,000 entries": (lambda: zips.zipped([(f"{n}.png", b"") for n in range(10_000)]), "zip_too_many"),
    "a declared bomb": (
        lambda: zips.zipped([(f"{n}.png", bytes(4_900_000)) for n in range(5)]),
        "zip_too_large",
    ),
    "overlapping files": (lambda: zips.overlapping(10, bytes(1_000_000)), "zip_overlap"),
    "one file under two names": (lambda: two_names(), "zip_overlap"),
    "a damaged directory": (
        lambda: zips.zipped([("a.png", FILM)]).replace(b"PK\x01\x02", b"PK\x00\x00"),
        "unreadable",
    ),
    "a directory that points to nothing": (
        lambda: zips.patched(zips.zipped([("a.png", FILM)]), at=42, central=struct.pack("<I", 5)),
        "unreadable",
    ),
    "a name that is not the UTF-8 it claims": (
        lambda: zips.patched(
            zips.zipped([("ä.png", FILM)]), at=46, central=b"\xff\xfe"
        ),
        "unreadable",
    ),
}  # fmt: skip


def two_names() -> bytes:
    """The second entry of the directory points to the first one's bytes."""
    content = zips.zipped([("a.png", FILM), ("a.jpg", OTHER)])
    return zips.patched(content, at=42, central=struct.pack("<I", 0), entry=1)


@pytest.mark.parametrize("what", WHOLE)
def test_a_zip_that_is_turned_away_as_a_whole_says_why(tmp_path, what):
    make, code = WHOLE[what]
    with pytest.raises(RefusedFilmError) as refused:
        opened_without_checks(make(), tmp_path)
    assert refused.value.code == code


def opened_without_checks(content: bytes, folder: Path) -> None:
    (folder / "in.zip").write_bytes(content)
    archive.survey(folder / "in.zip", limits=LIMITS)


def test_the_overlapping_bomb_is_one_that_zipfile_would_unpack(tmp_path):
    """Else the test of overlap would prove nothing."""
    path = tmp_path / "bomb.zip"
    path.write_bytes(zips.overlapping(3, bytes(1000)))
    assert [info.file_size for info in zipfile.ZipFile(path).infolist()] == [1000] * 3


@pytest.mark.parametrize(
    ("head", "is_zip"), [(b"PK\x03\x04", True), (b"PK\x05\x06", True), (b"PK", False), (b"", False)]
)
def test_a_zip_is_known_by_its_first_bytes(head, is_zip):
    assert formats.is_zip(head) is is_zip


def test_a_film_whose_preamble_looks_like_a_zip_is_a_film():
    assert not formats.is_zip(b"PK\x03\x04" + xrays.dicom()[4:])
