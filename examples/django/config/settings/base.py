"""Settings that development and production share."""

import os
from importlib.util import find_spec
from pathlib import Path

import dj_database_url


def env_list(name, default=""):
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


def env_flag(name, *, default=False):
    text = os.environ.get(name, "").lower()
    return text in {"yes", "true", "on", "1"} if text else default


BASE_DIR = Path(__file__).resolve().parents[2]

# The SQLite database and the uploads must outlive the container. The folder must exist.
DATA_DIR = BASE_DIR / os.environ.get("DATA_DIR", "data")

# Whether /crash/ and /error/ exist.
EXAMPLE_CRASH = env_flag("EXAMPLE_CRASH")

INSTALLED_APPS = [
    "members",
    "pages",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")

# Safe only behind a proxy that always sets this header itself, as nginx does here.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

if os.environ.get("DJANGO_DB_HOST") and not os.environ.get("DATABASE_URL"):
    # PostgreSQL, by the names of the official image, so one .env file serves both.
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["DJANGO_DB_HOST"],
            "PORT": os.environ.get("DJANGO_DB_PORT", "5432"),
            "USER": os.environ.get("POSTGRES_USER", "postgres"),
            "PASSWORD": os.environ.get("POSTGRES_PASSWORD", ""),
            "NAME": os.environ.get("POSTGRES_DB") or os.environ.get("POSTGRES_USER", "postgres"),
        }
    }
else:
    DATABASES = {
        "default": dj_database_url.parse(
            os.environ.get("DATABASE_URL") or f"sqlite:///{DATA_DIR / 'db.sqlite3'}",
        ),
    }

match DATABASES["default"]["ENGINE"]:
    case "django.db.backends.sqlite3":
        # For several worker processes on one file: readers and the one writer do not block each other,
        # and a transaction waits for the write lock at its start, where waiting still helps.
        DATABASES["default"]["OPTIONS"] = {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=wal; PRAGMA synchronous=normal;",
        }
    case "django.db.backends.mysql" if find_spec("MySQLdb") is None:
        # Django asks for mysqlclient, which needs a compiler. PyMySQL takes its place.
        import pymysql

        pymysql.install_as_MySQLdb()

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "members.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / os.environ.get("STATIC_ROOT", "static_root")

MEDIA_URL = "media/"
MEDIA_ROOT = DATA_DIR / "media"

# Everything goes to stderr, the container's log, and so do tracebacks of failed requests.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    # Without Django's own handlers, which print only while DEBUG is on, and mail to ADMINS otherwise.
    "loggers": {"django": {"handlers": [], "level": "INFO"}},
}
