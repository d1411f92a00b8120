from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """The project's own user: a place for later fields, which the built-in user could not take."""
