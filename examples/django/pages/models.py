from pathlib import PurePath

from django.core.exceptions import ValidationError
from django.core.validators import FileExtensionValidator
from django.db import models
from django.template.defaultfilters import filesizeformat

MAX_SIZE = 5 * 1024 * 1024

# Nothing that a browser would run: uploads are served from the same host as the admin.
EXTENSIONS = ["bin", "csv", "gif", "jpeg", "jpg", "pdf", "png", "txt", "webp", "zip"]


def validate_size(file):
    if file.size > MAX_SIZE:
        raise ValidationError(f"{filesizeformat(file.size)} is too much: at most {filesizeformat(MAX_SIZE)}.")


class Upload(models.Model):
    file = models.FileField(upload_to="uploads/", validators=[FileExtensionValidator(EXTENSIONS), validate_size])
    uploaded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-uploaded_at"]

    def __str__(self):
        return PurePath(self.file.name).name
