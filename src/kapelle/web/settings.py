"""Django's settings: the product's API and pages under WSGI, and the workers. The edge never loads this."""

from __future__ import annotations

import os
from typing import Any

from kapelle.kernel import config as kernel_config
from kapelle.kernel.row_security import APP_ROLE
from kapelle.kernel.secrets import secret_text
from kapelle.web.database import database_settings

CONFIG = kernel_config.load()

SECRET_KEY = secret_text(CONFIG, "django")
DEBUG = False
ALLOWED_HOSTS = ["*"]  # the edge is the only client, over a unix socket
ROOT_URLCONF = "kapelle.web.urls"
WSGI_APPLICATION = "kapelle.web.wsgi.application"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # the few files come from packages; nothing has to be collected

INSTALLED_APPS = [
    "kapelle.kernel",
    "kapelle.accounts",
    "kapelle.privacy",
    "kapelle.imports",
    "kapelle.events",
    "kapelle.customers",
    "kapelle.catalog",
    "kapelle.segments",
    "kapelle.channels.email",
    "kapelle.messaging",
    "kapelle.integrations",
    "kapelle.campaigns",
    "kapelle.web",
    "ninja",
    "django.contrib.staticfiles",
    "procrastinate.contrib.django",
]

MIDDLEWARE = [
    "kapelle.web.usage.UsageMeter",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.common.CommonMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "kapelle.web.middleware.ApiScope",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    }
}


# A worker names its role before Django starts; `kapelle migrate` names the empty one and stays the owner.
DATABASES = {"default": database_settings(CONFIG, os.environ.get("KAPELLE_DATABASE_ROLE", APP_ROLE))}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"procrastinate": {"level": "WARNING"}},
}
