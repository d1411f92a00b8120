"""The superuser, by the boot and by `manage.py createsu`: any user model, two at once, values that cannot be used."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from deadline import PATIENCE

if TYPE_CHECKING:
    from conftest import Command, Done, Project

ADMIN = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD": "open-sesame", "SUPERUSER_EMAIL": "a@example.com"}
WITHOUT = ("--skip", "validate", "--skip", "port", "--skip", "collectstatic")
LOGIN = "from django.contrib.auth import authenticate as a; print(a(username='admin', password='{}'))"
BY_EMAIL = """
    from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
    from django.db import models


    class Members(BaseUserManager):
        def create_superuser(self, email, password, **fields):
            member = self.model(email=self.normalize_email(email), **fields)
            member.set_password(password)
            member.save(using=self._db)
            member.is_staff = member.is_superuser = True
            member.save(using=self._db)
            return member


    class Member(AbstractBaseUser, PermissionsMixin):
        email = models.EmailField(unique=True, max_length=40)
        age = models.IntegerField()
        is_staff = models.BooleanField(default=False)
        objects = Members()
        USERNAME_FIELD = "email"
        REQUIRED_FIELDS = ["age"]
"""
MEMBERS = """
    from django.db import migrations, models


    class Migration(migrations.Migration):
        initial = True
        dependencies = [("auth", "0012_alter_user_first_name_max_length")]
        operations = [
            migrations.CreateModel(
                "Member",
                [
                    ("id", models.BigAutoField(primary_key=True)),
                    ("password", models.CharField(max_length=128)),
                    ("last_login", models.DateTimeField(null=True)),
                    ("is_superuser", models.BooleanField(default=False)),
                    ("email", models.EmailField(unique=True, max_length=40)),
                    ("age", models.IntegerField()),
                    ("is_staff", models.BooleanField(default=False)),
                    ("groups", models.ManyToManyField("auth.Group")),
                    ("user_permissions", models.ManyToManyField("auth.Permission")),
                ],
            )
        ]
"""
UNIQUE = ("models.IntegerField()", "models.IntegerField(unique=True)")
MEMBER = {"SUPERUSER_EMAIL": "Ada@Example.COM", "SUPERUSER_PASSWORD": "open-sesame", "SUPERUSER_AGE": "36"}


def prepare(entrypoint: Command, project: Project, **environ: str) -> Done:
    return entrypoint.run(project.root, "prepare", *WITHOUT, **environ)


def log_in_by_email(project: Project, models: str = BY_EMAIL, migration: str = MEMBERS) -> None:
    project.add_setting('INSTALLED_APPS.append("members")\nAUTH_USER_MODEL = "members.Member"')
    project.write("members/models.py", models)
    project.write("members/migrations/__init__.py", "")
    project.write("members/migrations/0001_initial.py", migration)


def test_a_password_of_their_own_is_replaced_where_it_is_to_be_kept_as_set(
    entrypoint: Command, migrated_project: Project
) -> None:
    assert prepare(entrypoint, migrated_project, **ADMIN).code == 0
    migrated_project.rows("UPDATE auth_user SET is_staff = 0, is_active = 0")
    update = {**ADMIN, "ENTRYPOINT_SUPERUSER": "update", "SUPERUSER_PASSWORD": "another-sesame"}
    done = prepare(entrypoint, migrated_project, **update)
    assert "     user admin updated: is_staff, is_active, password\n" in done.err
    assert migrated_project.ask(LOGIN.format("another-sesame")) == "admin"
    stored = migrated_project.rows("SELECT password FROM auth_user")
    assert "     user admin is up to date\n" in prepare(entrypoint, migrated_project, **update).err
    assert migrated_project.rows("SELECT password FROM auth_user") == stored, "or every session would end at each start"


def test_an_update_creates_a_missing_superuser(entrypoint: Command, migrated_project: Project) -> None:
    done = prepare(entrypoint, migrated_project, **ADMIN, ENTRYPOINT_SUPERUSER="update")
    assert "     user admin created\n" in done.err


def test_the_address_is_the_name_and_its_spelling_does_not_matter(
    entrypoint: Command, migrated_project: Project
) -> None:
    log_in_by_email(migrated_project)
    assert "     user Ada@Example.COM created\n" in prepare(entrypoint, migrated_project, **MEMBER).err
    assert migrated_project.rows("SELECT email, age, is_superuser FROM members_member") == [("Ada@example.com", 36, 1)]
    again = prepare(entrypoint, migrated_project, **MEMBER)
    assert (again.code, "     user Ada@Example.COM exists\n" in again.err) == (0, True)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("SUPERUSER_AGE", "s3cret-age", "age: “***” value must be an integer."),
        ("SUPERUSER_EMAIL", "a@b", "email: Enter a valid email address."),
        (
            "SUPERUSER_EMAIL",
            f"{'a' * 40}@example.com",
            "email: Ensure this value has at most 40 characters (it has 52).",
        ),
    ],
    ids=["no number", "no address", "too long"],
)
def test_a_value_that_its_field_refuses_is_one_line(
    entrypoint: Command, migrated_project: Project, name: str, value: str, why: str
) -> None:
    log_in_by_email(migrated_project)
    done = prepare(entrypoint, migrated_project, **{**MEMBER, name: value})
    assert done.code == 78
    assert done.err.splitlines()[-1].endswith(f": {why}")
    assert "Traceback" not in done.err
    assert "s3cret-age" not in done.err


def test_a_value_that_only_one_user_may_have_is_one_line(entrypoint: Command, migrated_project: Project) -> None:
    log_in_by_email(migrated_project, BY_EMAIL.replace(*UNIQUE), MEMBERS.replace(*UNIQUE))
    assert prepare(entrypoint, migrated_project, **MEMBER).code == 0
    done = prepare(entrypoint, migrated_project, **{**MEMBER, "SUPERUSER_EMAIL": "b@example.com"})
    assert done.code == 78
    assert done.err.splitlines()[-1].startswith("[entrypoint] cannot create the superuser b@example.com: UNIQUE")
    assert "Traceback" not in done.err


def test_a_superuser_whose_creation_is_killed_does_not_exist(entrypoint: Command, migrated_project: Project) -> None:
    log_in_by_email(migrated_project)
    half = BY_EMAIL.replace("member.is_staff =", "import os; os.kill(os.getpid(), 9); member.is_staff =")
    migrated_project.write("members/models.py", half)
    assert prepare(entrypoint, migrated_project, **MEMBER).code == 137
    migrated_project.write("members/models.py", BY_EMAIL)
    assert "     user Ada@Example.COM created\n" in prepare(entrypoint, migrated_project, **MEMBER).err
    assert migrated_project.rows("SELECT is_superuser FROM members_member") == [(1,)]


@pytest.mark.parametrize(
    ("name", "password"),
    [
        pytest.param("admin", "Admin", id="name"),
        pytest.param("ada", "changeme", id="word", marks=pytest.mark.thorough),
        pytest.param("ada", "123456", id="number", marks=pytest.mark.thorough),
    ],
)
def test_a_password_that_everybody_tries_is_refused(
    entrypoint: Command, migrated_project: Project, name: str, password: str
) -> None:
    environ = {"SUPERUSER_USERNAME": name, "SUPERUSER_PASSWORD": password}
    done = prepare(entrypoint, migrated_project, **environ)
    line = "cannot use SUPERUSER_PASSWORD: the password is well known; DJANGO_ENV=development allows it"
    assert (done.code, done.err.splitlines()[-1]) == (78, f"[entrypoint] {line}")
    allowed = prepare(entrypoint, migrated_project, **environ, DJANGO_ENV="development", ENTRYPOINT_NGINX="on")
    assert allowed.code == 0
    assert "[application] warning: SUPERUSER_PASSWORD: the password is well known\n" in allowed.err
    # Whoever is there already may have chosen another.
    assert prepare(entrypoint, migrated_project, **environ).code == 0


def test_a_password_that_the_projects_validators_reject_is_a_warning(
    entrypoint: Command, migrated_project: Project
) -> None:
    similar = '[{"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"}]'
    migrated_project.add_setting(f"AUTH_PASSWORD_VALIDATORS = {similar}")
    done = prepare(
        entrypoint, migrated_project, SUPERUSER_USERNAME="administratrix", SUPERUSER_PASSWORD="administratrix1"
    )
    assert done.code == 0
    said = "[application] warning: SUPERUSER_PASSWORD: The password is too similar to the username.\n"
    assert said in done.err
    assert "     user administratrix created\n" in done.err


def test_the_boot_reads_djangos_settings_too_and_shows_no_password(
    entrypoint: Command, migrated_project: Project
) -> None:
    migrated_project.add_setting('SUPERUSER_USERNAME = "admin"; SUPERUSER_PASSWORD = "open-sesame"')
    migrated_project.add_setting('\nSUPERUSER_EMAIL = "a@b.org"\n')
    done = prepare(entrypoint, migrated_project, SUPERUSER_EMAIL="ada@example.com")
    assert done.code == 0
    assert "     user admin created\n" in done.err
    assert "open-sesame" not in done.err
    assert migrated_project.ask(LOGIN.format("open-sesame")) == "admin"
    assert migrated_project.rows("SELECT email FROM auth_user") == [("ada@example.com",)]


def test_a_database_without_tables_is_one_line(entrypoint: Command, project: Project) -> None:
    done = prepare(entrypoint, project, **ADMIN, ENTRYPOINT_MIGRATE="off")
    assert done.code == 1
    assert done.err.endswith("[entrypoint] cannot create the superuser admin: no such table: auth_user\n")
    assert "Traceback" not in done.err


# ---- manage.py createsu


def createsu(project: Project, *words: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-B", "manage.py", "createsu", *words],
        cwd=project.root,
        env={"PATH": "/usr/bin:/bin", **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said = process.communicate(timeout=PATIENCE)[0]
    return process.returncode, said


@pytest.fixture
def with_createsu(migrated_project: Project) -> Project:
    migrated_project.add_setting('INSTALLED_APPS.append("entrypoint.contrib.django")\n')
    return migrated_project


def test_createsu_reads_djangos_settings_first_and_may_be_called_again(with_createsu: Project) -> None:
    with_createsu.add_setting('SUPERUSER_USERNAME = "admin"\nSUPERUSER_PASSWORD = "open-sesame"\n')
    environ = {"SUPERUSER_PASSWORD": "unheard", "DJANGO_SUPERUSER_EMAIL": "a@example.com"}
    assert ended(createsu(with_createsu, **environ)) == (0, "user admin created\n")
    assert ended(createsu(with_createsu, **environ)) == (0, "user admin exists\n")
    assert with_createsu.ask(LOGIN.format("open-sesame")) == "admin"
    assert with_createsu.rows("SELECT email FROM auth_user") == [("a@example.com",)]
    with_createsu.add_setting('SUPERUSER_PASSWORD = "another-sesame"')
    assert ended(createsu(with_createsu, "--update")) == (0, "user admin updated: password\n")


def test_createsu_and_the_boot_know_the_same_user(entrypoint: Command, with_createsu: Project) -> None:
    assert ended(createsu(with_createsu, **ADMIN)) == (0, "user admin created\n")
    assert "     user admin exists\n" in prepare(entrypoint, with_createsu, **ADMIN).err


def test_two_createsu_at_once_make_one_user(with_createsu: Project) -> None:
    said = sorted(ended(process) for process in [createsu(with_createsu, **ADMIN) for _ in range(2)])
    assert [code for code, _ in said] == [0] * 2, said
    assert {text.splitlines()[-1] for _, text in said} <= {"user admin created", "user admin exists"}
    assert with_createsu.rows("SELECT count(*) FROM auth_user") == [(1,)]


def test_createsu_says_in_a_line_what_is_missing_or_wrong(with_createsu: Project) -> None:
    code, said = ended(createsu(with_createsu, DJANGO_SETTINGS_MODULE="site_.settings"))
    missing = "SUPERUSER_USERNAME, SUPERUSER_PASSWORD is not set"
    assert (code, said) == (78, f"CommandError: cannot create the superuser: {missing}\n")
    code, said = ended(createsu(with_createsu, SUPERUSER_USERNAME="admin", SUPERUSER_PASSWORD="admin"))
    assert code == 78
    assert re.fullmatch(r"CommandError: cannot use SUPERUSER_PASSWORD: .*\n", said)


def test_createsu_needs_nothing_of_the_toolkit_but_itself(with_createsu: Project) -> None:
    code = "import sys; import entrypoint.contrib.django.management.commands.createsu; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in with_createsu.ask(code).split()}
    assert "entrypoint" in loaded
    assert loaded.isdisjoint({"click", "jinja2", "supervisor", "psutil"})
