"""Reading a certificate, and the time of its renewal."""

import os
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from entrypoint import certificate, certificate_store
from entrypoint.certificate import Certificate
from entrypoint.certificates import lego, schedule
from entrypoint.certificates.schedule import HOUR, Tries
from entrypoint.errors import NotAllowed

DAY = 24 * HOUR
NEW = Certificate(("a.example",), 0, 90 * DAY)


def made(folder: Path, *more: str) -> Path:
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "9",
    ]
    words += ["-subj", "/CN=a.example", "-keyout", str(folder / "key"), "-out", str(folder / "pem"), *more]
    subprocess.run(words, check=True, capture_output=True)
    return folder / "pem"


def test_the_names_and_the_lifetime_are_read(tmp_path: Path) -> None:
    found = certificate.read(made(tmp_path, "-addext", "subjectAltName=DNS:a.example,IP:127.0.0.1,DNS:b.example"))
    assert found is not None
    assert (found.names, found.ends - found.begins, found.responder) == (("a.example", "b.example"), 9 * DAY, False)
    assert found.covers(("b.example",))
    assert not found.covers(("a.example", "c.example"))
    assert certificate.expiry(tmp_path / "pem") == found.ends


def test_a_responder_is_found(tmp_path: Path) -> None:
    found = certificate.read(made(tmp_path, "-addext", "authorityInfoAccess=OCSP;URI:http://ocsp.example.com/"))
    assert found is not None
    assert found.responder


_EMPTY = "authorityInfoAccess=DER:30:02:30:00"


def test_a_label_that_nginx_accepts_and_any_extension(tmp_path: Path) -> None:
    pem = made(tmp_path, "-addext", "1.2.3.4=DER:FF:FF", "-addext", _EMPTY).read_bytes()
    assert certificate.parsed(pem) is not None
    assert certificate.parsed(pem.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE")) == certificate.parsed(pem)


@pytest.mark.parametrize(
    "pem",
    [b"text", b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----", b"-----BEGIN CERTIFICATE-----\n!"],
)
def test_a_text_that_is_not_a_certificate_is_parsed_as_none(pem: bytes) -> None:
    assert certificate.parsed(pem) is None


def test_a_damaged_certificate_is_parsed_as_none(tmp_path: Path) -> None:
    whole = made(tmp_path).read_bytes()
    lines = whole.splitlines(keepends=True)
    assert certificate.parsed(b"") is None
    assert certificate.parsed(b"".join([lines[0], *lines[4:]])) is None
    assert certificate.expiry(tmp_path / "none") is None
    for cut in range(0, len(whole), 40):
        certificate.parsed(whole[:cut] + b"\n-----END CERTIFICATE-----\n")


# ---- when


def test_a_certificate_is_renewed_when_a_third_of_its_lifetime_is_left() -> None:
    assert schedule.due(NEW, Tries(), "", 0, 0) == 60 * DAY
    assert schedule.due(NEW, Tries(), "", 0, 1) == 55.5 * DAY
    assert schedule.due(None, Tries(), "", 0, 0) == 0


def test_the_pause_doubles_up_to_six_hours() -> None:
    tries, waits = Tries(), []
    for _ in range(10):
        tries = schedule.failed(tries, "x", 0, 120, None)
        waits.append(tries.next)
    assert waits == [120, 240, 480, 960, 1920, 3840, 7680, 15360, 6 * HOUR, 6 * HOUR]


def test_no_more_than_five_failures_an_hour_whatever_is_asked_for() -> None:
    tries = Tries()
    for number in range(5):
        tries = schedule.failed(tries, str(number), 100.0 * number, 120, None)
    assert schedule.due(None, tries, "another", 500, 0) == HOUR - 500
    assert schedule.due(None, tries, "another", HOUR + 1, 0) <= 0


def test_a_request_for_other_domains_is_tried_at_once() -> None:
    tries = schedule.failed(Tries(), "one", 0, 120, None)
    assert schedule.due(None, tries, "one", 0, 0) == 120
    assert schedule.due(None, tries, "another", 0, 0) == 0


@pytest.mark.parametrize(("until", "wait"), [(0.0, HOUR), (2 * HOUR, 2 * HOUR), (90 * HOUR, 24 * HOUR)])
def test_the_limits_of_the_authority_are_kept(until: float, wait: float) -> None:
    assert schedule.failed(Tries(), "x", 0, 120, until).next == wait


def test_a_clock_that_was_wrong_does_not_stop_the_renewal() -> None:
    assert schedule.due(None, Tries("x", 1, 10**10), "x", 0, 0) == 24 * HOUR


def test_the_tries_are_read_as_they_were_written() -> None:
    tries = Tries("x", 2, 3.5, (1.0, 2.0))
    assert Tries.parse(tries.text()) == Tries("x", 2, 3.5, (1.0, 2.0))
    assert [Tries.parse(text) for text in (None, b"", b"[]", b"{}", b'{"request": 1, "failures": "x"}')] == [
        Tries()
    ] * 5


def test_the_reason_is_the_last_entry_of_legos_log() -> None:
    said = "2026/01/02 03:04:05 [INFO] trying\n"
    said += "2026/01/02 03:04:06 Could not obtain certificates:\n\terror: one:\n[a] two\n"
    error = lego.reason(said)
    assert (str(error), error.limited_until) == ("one: [a] two", None)


# ---- where


def test_a_folder_that_another_user_could_change_is_refused(tmp_path: Path) -> None:
    store = PurePosixPath(tmp_path / "tls")
    os.close(certificate_store.opened(store, create=True))
    (tmp_path / "tls").chmod(0o777)
    with pytest.raises(NotAllowed, match="other users can write it; remove the folder"):
        certificate_store.opened(store)
    (tmp_path / "tls").rmdir()
    (tmp_path / "tls").symlink_to("/etc")
    with pytest.raises(NotAllowed, match="it is a link or a file, or a folder on the way"):
        certificate_store.opened(store, create=True)
    with pytest.raises(NotAllowed, match=f"there is no folder {tmp_path}/none; mount a volume there"):
        certificate_store.opened(PurePosixPath(tmp_path / "none/tls"), create=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link away")
@pytest.mark.parametrize("target", ["kept", "../kept", "{}/kept"])
def test_no_link_of_another_user_is_followed_on_the_way(tmp_path: Path, target: str) -> None:
    kept, link = tmp_path / "kept", tmp_path / "in" / "data"
    kept.mkdir()
    link.parent.mkdir()
    (link.parent / "kept").symlink_to("../kept")
    link.symlink_to(target.format(tmp_path))
    os.close(certificate_store.opened(PurePosixPath(link / "tls"), create=True))
    (kept / "tls").rmdir()
    os.chown(link, 33, 33, follow_symlinks=False)
    with pytest.raises(NotAllowed, match="another user's link"):
        certificate_store.opened(PurePosixPath(link / "tls"), create=True)
    assert list(kept.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    os.chown(tmp_path / "tls", 33, 33)
    with pytest.raises(NotAllowed, match="uid 33 owns it"):
        certificate_store.opened(PurePosixPath(tmp_path / "tls"))
