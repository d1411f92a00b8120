import os
import platform
import signal
import time
from functools import wraps

import django
from django.conf import settings
from django.db import connection
from django.http import Http404, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.urls import reverse_lazy
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django.views.generic import CreateView, TemplateView

from .models import EXTENSIONS, MAX_SIZE, Upload

LONGEST_SLEEP = 60


class IndexView(TemplateView):
    template_name = "pages/index.html"

    def get_context_data(self, **kwargs):
        facts = {
            "Django": django.get_version(),
            "Python": platform.python_version(),
            "Database": connection.display_name,
            "Settings": "development" if settings.DEBUG else "production",
            "Worker": f"process {os.getpid()}",
        }
        return super().get_context_data(facts=facts, crash=settings.EXAMPLE_CRASH, **kwargs)


class UploadView(CreateView):
    model = Upload
    fields = ["file"]
    template_name = "pages/upload.html"
    success_url = reverse_lazy("pages:upload")
    extra_context = {"extensions": EXTENSIONS, "max_size": MAX_SIZE}

    def get_context_data(self, **kwargs):
        return super().get_context_data(uploads=Upload.objects.all()[:50], **kwargs)


@require_safe
def show_request(request):
    """Return what Django sees of the request after the proxies, as JSON."""
    return JsonResponse(
        {
            "address": request.META.get("REMOTE_ADDR"),
            "scheme": request.scheme,
            "secure": request.is_secure(),
            "host": request.get_host(),
            "x_forwarded_for": request.headers.get("X-Forwarded-For"),
            "pid": os.getpid(),
        }
    )


@require_safe
def sleep(request):
    """Keep a worker busy for `s` seconds."""
    try:
        seconds = float(request.GET.get("s", 1))
    except ValueError:
        return HttpResponseBadRequest("s must be a number of seconds\n", content_type="text/plain")
    # In this order "nan" becomes 0: every comparison with it is false.
    seconds = min(LONGEST_SLEEP, max(0, seconds))
    time.sleep(seconds)
    return HttpResponse(f"slept {seconds:g} s\n", content_type="text/plain")


def only_if_crashes_are_allowed(view):
    @wraps(view)
    def guarded(request):
        if not settings.EXAMPLE_CRASH:
            raise Http404("set EXAMPLE_CRASH=yes to allow this")
        return view(request)

    return guarded


@only_if_crashes_are_allowed
def error(_request):
    """Fail: the client sees a 500, the log has the traceback."""
    raise RuntimeError("somebody asked for this error")


@csrf_exempt
@only_if_crashes_are_allowed
def crash(_request):
    """Kill this worker process without any answer."""
    os.kill(os.getpid(), signal.SIGKILL)
