"""`entrypoint maintenance` when nothing runs, by other users, and with files that others can write."""

import json
import os
from pathlib import Path

import pytest

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.decide import decide
from entrypoint.boot.effects.maintenance import switch
from entrypoint.boot.facts.machine import Facts, read_machine
from entrypoint.boot.facts.maintenance import parse
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.trust.accounts import look_up
from entrypoint.errors import NotAllowed, NotFound, Unusable

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to another user")


def config_of(place: Path, **settings: str) -> ResolvedConfig:
    (place / "run").mkdir(exist_ok=True)
    (place / "volume").mkdir(exist_ok=True)
    usual = {"ENTRYPOINT_APP_DIR": str(place), "ENTRYPOINT_RUN_DIR": str(place / "run"), "ENTRYPOINT_APP": "hello:app"}
    read = Settings.read({"PATH": os.environ["PATH"], **usual, **settings})
    return decide(read, Facts(read_machine(read), None))


def switched(config: ResolvedConfig, *allow: str) -> str:
    return switch(config, parse(allow))


def test_without_a_site_and_a_volume_there_is_nothing_to_switch(place: Path) -> None:
    with pytest.raises(NotFound, match=r"supervisord\.conf: nothing was started here with these settings"):
        switched(config_of(place))


def test_a_volume_keeps_the_maintenance_for_the_next_start(place: Path) -> None:
    volume = {"ENTRYPOINT_DATA_DIR": str(place / "volume")}
    config = config_of(place, **volume)
    assert switched(config, "10.0.0.0/8") == (
        "maintenance is on at the next start: visitors get 503, except from 10.0.0.0/8"
    )
    assert json.loads((place / "volume" / "maintenance.json").read_text()) == {"allow": ["10.0.0.0/8"]}
    assert list(map(str, config_of(place, **volume).machine.maintenance or ())) == ["10.0.0.0/8"]
    assert switch(config, None) == "maintenance is off at the next start"
    assert config_of(place, **volume).machine.maintenance is None


@pytest.mark.parametrize("text", ["", "[]", '{"allow": 1}', '{"allow": ["10.0.0.0/8; }"]}', '{"allow": [1]}', "\0"])
def test_a_file_that_was_not_written_by_the_command_is_refused(place: Path, text: str) -> None:
    (place / "volume").mkdir()
    file = place / "volume" / "maintenance.json"
    file.write_text(text)
    with pytest.raises(Unusable, match=rf"cannot read {file}: .*; remove it to end the maintenance"):
        config_of(place, ENTRYPOINT_DATA_DIR=str(place / "volume"))


def test_nginx_has_to_serve_the_site(place: Path) -> None:
    config = config_of(place, ENTRYPOINT_DATA_DIR=str(place / "volume"), ENTRYPOINT_NGINX="off", PORT="8080")
    with pytest.raises(Unusable, match="no nginx serves the site here; set ENTRYPOINT_NGINX=on"):
        switched(config)


def test_a_template_without_the_maintenance_is_named(place: Path) -> None:
    config = config_of(place)
    (place / "run" / "supervisord.conf").touch()
    (place / "run" / "nginx-app.conf").write_text("server {}\n")
    with pytest.raises(Unusable, match=r"nginx-app\.conf does not include its files; compare your template"):
        switched(config)


@AS_ROOT
def test_root_does_not_switch_the_site_of_another_user(place: Path) -> None:
    config = config_of(place, ENTRYPOINT_DATA_DIR=str(place / "volume"))
    conf = place / "run" / "supervisord.conf"
    conf.touch()
    os.chown(conf, 65534, 65534)
    with pytest.raises(NotAllowed, match="uid 65534 runs the site, and this is uid 0; run the command as that user"):
        switched(config)
    assert list((place / "volume").iterdir()) == []


@AS_ROOT
def test_root_follows_no_link_of_the_applications_user(place: Path) -> None:
    secret = place / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    config = config_of(place, ENTRYPOINT_DATA_DIR=str(place / "volume"), ENTRYPOINT_USER="nobody")
    nobody = look_up("nobody")
    os.chown(place / "volume", nobody.uid, nobody.gid)
    (place / "volume" / "maintenance.json").symlink_to(secret)
    with pytest.raises(Unusable, match="Permission denied"):
        read_machine(config.settings)
    switched(config)
    assert secret.read_text() == "root's"
    assert (place / "volume" / "maintenance.json").stat().st_uid == nobody.uid
    switch(config, None)
    assert secret.exists()
