"""Configures Django for one process and builds its WSGI application."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django
from django.conf import settings as django_settings
from sqlalchemy import make_url

from ringstead.db.engine import DatabaseUrls
from ringstead.settings import Settings

HERE = Path(__file__).parent


def configure(url: str) -> None:
    """Set Django up in this process, on a database given in SQLAlchemy's spelling."""
    address = make_url(url)
    django_settings.configure(
        DEBUG=False,
        SECRET_KEY="only for benchmarks, never served to anybody",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="benchmarks.djangosite.urls",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "benchmarks.djangosite",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.locale.LocaleMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
            "benchmarks.djangosite.tenancy.tenant_middleware",
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": address.database,
                "USER": address.username,
                "PASSWORD": address.password or "",
                "HOST": address.query.get("host") or address.host or "",
                "PORT": address.port or "",
                "ATOMIC_REQUESTS": True,
                "CONN_MAX_AGE": None,
            }
        },
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [HERE / "templates"],
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                        "benchmarks.djangosite.tenancy.frame",
                    ],
                },
            }
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        USE_I18N=True,
        TIME_ZONE="UTC",
        LOGIN_URL="/sign-in",
        STATIC_URL="/static/",
    )
    django.setup()


def make_app(settings: Settings, urls: DatabaseUrls) -> Any:
    """The application of one process."""
    configure(urls.app)
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()
