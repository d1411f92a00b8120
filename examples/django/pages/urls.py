from django.urls import path

from . import views

app_name = "pages"

urlpatterns = [
    path("", views.IndexView.as_view(), name="index"),
    path("upload/", views.UploadView.as_view(), name="upload"),
    path("request/", views.show_request, name="request"),
    path("sleep/", views.sleep, name="sleep"),
    path("error/", views.error, name="error"),
    path("crash/", views.crash, name="crash"),
]
