"""A user's files in /etc/nginx and /etc/supervisor."""

import requests
from deadline import PATIENCE, until
from own_etc import OwnEtc
from site_under_test import NewSite


def test_users_files_are_part_of_the_site(plain_site: NewSite, own_etc: OwnEtc) -> None:
    http = own_etc.write(
        "nginx/conf.d/zz-test.conf", 'map $arg_name $zz_test_greeting { default "hello"; Ada "hello Ada"; }'
    )
    server = own_etc.write("nginx/server.d/zz-test.conf", "location = /greeting { return 200 $zz_test_greeting; }")
    program = own_etc.write(
        "supervisor/conf.d/zz-test.conf",
        "[program:extra]\ncommand = sh -c 'echo extra is here; exec sleep 1000'\nstdout_logfile = NONE\n",
    )
    site = plain_site().start(around=own_etc.around).ready()
    until(lambda: "[extra] extra is here\n" in site.output, "its line", instead=lambda: site.output)
    assert f"include in supervisord's configuration {program}" in site.output
    line = next(line for line in site.steps if "include in nginx's configuration" in line)
    assert f"{http} (http)" in line
    assert f"{server} (server)" in line
    assert requests.get(f"{site.url}/greeting?name=Ada", timeout=PATIENCE).text == "hello Ada"
    assert site.status("/") == 200


def test_a_file_that_nginx_does_not_take_is_named(plain_site: NewSite, own_etc: OwnEtc) -> None:
    path = own_etc.write("nginx/server.d/zz-test.conf", "no_such_directive on;")
    site = plain_site().start(around=own_etc.around)
    assert site.wait() == 78
    assert f'cannot use {path}: unknown directive "no_such_directive" in line 1\n' in site.output
