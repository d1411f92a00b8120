#!/bin/sh
set -e

python manage.py migrate --noinput

if [ -n "$DJANGO_SUPERUSER_USERNAME" ]; then
    # It fails when the user is there already.
    python manage.py createsuperuser --noinput || true
fi

# The commands above ran as root, uWSGI's workers do not.
chown -R www-data:www-data data

exec supervisord -n -c /etc/supervisor.conf
