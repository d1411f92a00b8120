from django.contrib import admin

from .models import Upload


@admin.register(Upload)
class UploadAdmin(admin.ModelAdmin):
    list_display = ["__str__", "uploaded_at"]
    date_hierarchy = "uploaded_at"
