"""Django's settings, read from `environment.py`. Nothing here is meant to be edited by an operator."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONCE, NONE, SELF
from psycopg.conninfo import conninfo_to_dict

from viatica.config.demo import plan
from viatica.config.environment import Environment

django_stubs_ext.monkeypatch()

ENVIRONMENT = Environment()
PACKAGE = Path(__file__).resolve().parent.parent
HOME = ENVIRONMENT.home.resolve()


def _secret_key() -> str:
    if ENVIRONMENT.secret_key:
        return ENVIRONMENT.secret_key
    kept = HOME / "secret_key"
    if not kept.exists():
        HOME.mkdir(parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(secrets.token_urlsafe(50))
    return kept.read_text()


SECRET_KEY = _secret_key()
DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = ENVIRONMENT.allowed_hosts.split(",")
PUBLIC_URL = ENVIRONMENT.public_url.rstrip("/")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
ROOT_URLCONF = "viatica.config.urls"
WSGI_APPLICATION = "viatica.config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "access.User"
LOGIN_URL = "front:sign_in"
LOGIN_REDIRECT_URL = "/"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "template_partials",
    "csp",
    "pgtrigger",
    "pghistory",
    "procrastinate.contrib.django",
    "ninja",  # brings the pages of /api/v1/docs; without it they would come from somebody else's server
    "viatica.spine",
    "viatica.offices.company",
    "viatica.offices.access",
    "viatica.offices.archive",
    "viatica.offices.policy",
    "viatica.offices.budget",
    "viatica.offices.invoices",
    "viatica.offices.approval",
    "viatica.offices.ledger",
    "viatica.offices.payment",
    "viatica.offices.notices",
    "viatica.documents.travel",
    "viatica.documents.expense",
    "viatica.connectors",
    "viatica.insights",
    "viatica.front",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "viatica.config.requests.RequestLog",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "viatica.front.language.ChosenLanguage",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "csp.middleware.CSPMiddleware",
    "viatica.front.errors.ErrorPages",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "csp.context_processors.nonce",
                "viatica.front.context.frame",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "template_partials.templatetags.partials",
                "viatica.front.templatetags.front",
            ],
        },
    }
]


def _database(url: str) -> dict[str, Any]:
    parts = conninfo_to_dict(url or "postgresql:///viatica")
    pool = {"min_size": 1, "max_size": ENVIRONMENT.database_pool, "timeout": 10}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "viatica"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": {**parts, "pool": pool},
        "TEST": {"NAME": f"test_viatica_{os.getpid()}"},  # two test runs on one machine do not meet
    }


DATABASES = {"default": _database(ENVIRONMENT.database_url)}

LANGUAGE_CODE = ENVIRONMENT.language
LANGUAGES = [("zh-hans", "中文"), ("en", "English")]
LOCALE_PATHS = [PACKAGE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = ENVIRONMENT.time_zone

STATIC_URL = "/static/"
STATIC_ROOT = HOME / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise remarks on a missing one
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# The kinds of outside system we ship; other packages add theirs by the entry point group “viatica.connectors”.
CONNECTORS = [
    "viatica.connectors.dingtalk.connector",
    "viatica.connectors.feishu.connector",
    "viatica.connectors.wecom.connector",
]

ARCHIVE_DIR = HOME / "archive"
DATA_UPLOAD_MAX_MEMORY_SIZE = ENVIRONMENT.upload_limit
FILE_UPLOAD_MAX_MEMORY_SIZE = ENVIRONMENT.upload_limit

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
X_FRAME_OPTIONS = "SAMEORIGIN"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [SELF],
    }
}
AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
SILENCED_SYSTEM_CHECKS: list[str] = []
LOGGING_CONFIG = None
# Whom the demo company's sign-in page offers: user name and part.
DEMO_CAST = [(role.login, role.part) for role in plan.CAST if role.part] if ENVIRONMENT.demo else []
AUTHENTICATION_BACKENDS = ["viatica.offices.access.backends.PasswordBackend"]
