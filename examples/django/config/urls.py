from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("pages.urls")),
    path("admin/", admin.site.urls),
    # Uploads under runserver. In production this adds nothing: nginx serves them.
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
