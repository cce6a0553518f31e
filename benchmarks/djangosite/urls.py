"""The addresses."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from benchmarks.djangosite import views


def elsewhere(request: HttpRequest) -> HttpResponse:
    """Pages that the navigation leads to."""
    return HttpResponse("elsewhere")


urlpatterns = [
    path("", elsewhere, name="home"),
    path("calls", views.calls, name="calls"),
    path("calls/<uuid:call_id>", elsewhere, name="call"),
    path("calls.csv", elsewhere, name="calls_csv"),
]
