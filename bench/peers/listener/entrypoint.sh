#!/bin/sh
set -eu

setpriv --reuid=www-data --regid=www-data --init-groups python /usr/local/bin/prepare.py

exec supervisord -n -c /etc/supervisor.conf
