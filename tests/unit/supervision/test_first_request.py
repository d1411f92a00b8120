import pytest

from entrypoint.protocol.probe import Probe
from entrypoint.protocol.supervision import Protocol, RequestConfig
from entrypoint.supervision.checks.first_request import endpoint

HTTP = RequestConfig(
    to=Probe.parse("tcp:127.0.0.1:8000"),
    protocol=Protocol.HTTP,
    path="/up/?a=b",
    host="example.com",
    scheme="https",
    seconds=65.0,
)


def variables(packet: bytes) -> dict[str, str]:
    """Return the variables of a packet of the uwsgi protocol."""
    assert packet[0] == packet[3] == 0
    assert int.from_bytes(packet[1:3], "little") == len(packet) - 4
    texts, rest = [], packet[4:]
    while rest:
        end = 2 + int.from_bytes(rest[:2], "little")
        texts.append(rest[2:end].decode())
        rest = rest[end:]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def test_the_request_is_marked_and_names_the_host() -> None:
    head, *lines = endpoint(HTTP).request.decode().split("\r\n")
    assert head == "GET /up/?a=b HTTP/1.1"
    assert {"Host: example.com", "User-Agent: entrypoint-ready/1", "Connection: close"} < set(lines)
    assert lines[-2:] == ["", ""]


def test_uwsgi_gets_the_same_request_as_a_packet() -> None:
    found = variables(endpoint(HTTP._replace(protocol=Protocol.UWSGI, path="/%C3%BCber?a=b")).request)
    assert (found["REQUEST_METHOD"], found["REQUEST_URI"]) == ("GET", "/%C3%BCber?a=b")
    assert (found["PATH_INFO"], found["QUERY_STRING"]) == ("/über", "a=b")
    assert (found["HTTP_HOST"], found["HTTP_USER_AGENT"]) == ("example.com", "entrypoint-ready/1")
    assert (found["HTTPS"], found["HTTP_X_FORWARDED_PROTO"]) == ("on", "https")


@pytest.mark.parametrize(("any_status", "refused"), [(True, {500}), (False, {500, 501, 503, 599})])
def test_a_path_of_the_users_must_not_answer_with_any_error_of_a_server(any_status: bool, refused: set[int]) -> None:  # noqa: FBT001 -- a parameter
    failures = endpoint(HTTP._replace(any_status=any_status)).failures
    assert {status for status in (200, 302, 400, 404, 500, 501, 503, 599) if status in failures} == refused
