"""Every setting, from the environment (or a .env file beside manage.py)."""

import secrets
import sys
from pathlib import Path

import environ
from celery.schedules import crontab
from kombu import Exchange, Queue

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
env.read_env(BASE_DIR / ".env")

STATE_DIR = Path(env.str("STATE_DIR", default=str(BASE_DIR / "var")))
PRODUCTION = env.bool("PRODUCTION", default=False)
DEBUG = env.bool("DEBUG", default=False)
ENVIRONMENT_NAME = env.str("ENVIRONMENT_NAME", default="" if PRODUCTION else "Demo")


def _secret_key() -> str:
    """From the environment; without one, this installation's own, kept in its state folder."""
    given = env.str("SECRET_KEY", default="")
    path = env.str("SECRET_KEY_FILE", default="")
    if path:
        given = Path(path).read_text(encoding="utf-8").strip()
    if PRODUCTION and len(given) < 40:
        sys.exit("SECRET_KEY (or SECRET_KEY_FILE) must hold at least 40 characters in production.")
    if given:
        return given
    kept = STATE_DIR / "secret-key"
    if not kept.exists():
        STATE_DIR.mkdir(parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(secrets.token_urlsafe(50), encoding="utf-8")
    return kept.read_text(encoding="utf-8")


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]", "testserver"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "integration_console.apps.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "sync",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "integration_console.security.SecurityHeaders",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "integration_console.urls"
WSGI_APPLICATION = "integration_console.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{STATE_DIR / 'console.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    STATE_DIR.mkdir(parents=True, exist_ok=True)
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-64000; "
        "PRAGMA temp_store=MEMORY;",
    }
    # A file, not memory: the pipeline's threads and the tests' servers open connections of their own.
    DATABASES["default"]["TEST"] = {"NAME": str(STATE_DIR / "test.sqlite3")}
else:
    # A server that vanished without a word (its machine, its network) is noticed within a minute.
    DATABASES["default"]["OPTIONS"] = {
        "application_name": "integration-console",
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
        **DATABASES["default"].get("OPTIONS", {}),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
LOCAL_TIME_ZONE = env.str("LOCAL_TIME_ZONE", default="Europe/London")
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = False

SESSION_COOKIE_AGE = 28_800
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
if PRODUCTION:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sid", "__Host-csrf"
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
    if env.bool("BEHIND_PROXY", default=False):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
else:
    # Two consoles on one machine keep their own sessions.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "console_sid", "console_csrf"

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://")
if CELERY_BROKER_URL.startswith("filesystem"):
    CELERY_BROKER_URL = "filesystem://localhost//"  # a host, so that kombu does not wonder about it
    CELERY_BROKER_TRANSPORT = "integration_console.broker:Transport"
    _messages, _control = STATE_DIR / "broker" / "messages", STATE_DIR / "broker" / "control"
    for _folder in (_messages, _control):
        _folder.mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_messages),
        "data_folder_out": str(_messages),
        "control_folder": str(_control),
        "polling_interval": 0.15,
    }
elif CELERY_BROKER_URL.startswith("redis"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 900,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 30,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }
    CELERY_WORKER_DISABLE_PREFETCH = True
LANES = ("urgent", *(name.strip().lower() for name in env.list("CONNECTIONS", default=["dynamics365", "emarsys"])))
"""The queues beside the common one: what people wait for, and one for each system. A worker listens to all of them
unless it is told otherwise (script/worker -Q urgent,prima)."""
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in ("celery", *LANES)]
CELERY_WORKER_CONCURRENCY = env.int("WORKER_PROCESSES", default=len(LANES))
"""One for each system and one for what is urgent: a slow or dead system then holds up nobody else (sync/lanes.py)."""
CELERY_TASK_TIME_LIMIT, CELERY_TASK_SOFT_TIME_LIMIT = 600, 540
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_ACKS_ON_FAILURE_OR_TIMEOUT = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 200
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 600_000
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = env.int("WORKER_STOP_SECONDS", default=25)
"""A worker that is told to end gives its processes so long to end the page they are at (sync/leaving.py)."""
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_BEAT_SCHEDULER = "integration_console.beat:OneOfMany"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
DJANGO_CELERY_BEAT_TZ_AWARE = True

SYNC = {
    "TICK_SECONDS": env.int("SYNC_TICK_SECONDS", default=15),
    "SLICE_SECONDS": env.int("SYNC_SLICE_SECONDS", default=60),
    "LEASE_SECONDS": env.int("SYNC_LEASE_SECONDS", default=60),
    "ATTEMPTS": env.int("SYNC_ATTEMPTS", default=3),
    "SENDERS": env.int("SYNC_SENDERS", default=32),
    "KEYED_MINUTES": env.int("SYNC_KEYED_MINUTES", default=60),
    "PAYLOAD_DAYS": env.int("SYNC_PAYLOAD_DAYS", default=30),
    "MANIFEST_DAYS": env.int("SYNC_MANIFEST_DAYS", default=90),
    "GRACE_SECONDS": env.int("SYNC_GRACE_SECONDS", default=10),
    "PARTS": env.int("SYNC_PARTS", default=0),
    "PART_RECORDS": env.int("SYNC_PART_RECORDS", default=20_000),
    "FEED_SHRINK_PERCENT": env.int("SYNC_FEED_SHRINK_PERCENT", default=20),
    # A plan may be applied for so many hours. A second person looks at it when it has more records than this, more
    # money of one currency, more opt-outs or deactivations, or more values that it would empty.
    "PLAN_HOURS": env.int("SYNC_PLAN_HOURS", default=24),
    "PLAN_SECOND_LOOK": env.int("SYNC_PLAN_SECOND_LOOK", default=5_000),
    "PLAN_SECOND_LOOK_MONEY": env.int("SYNC_PLAN_SECOND_LOOK_MONEY", default=100_000),
    "PLAN_DANGEROUS": env.int("SYNC_PLAN_DANGEROUS", default=0),
    "PLAN_BLANKED": env.int("SYNC_PLAN_BLANKED", default=100),
}
"""How runs behave: seconds between looks for due work, of one slice and of a lease; attempts before a run is lost;
requests in flight at once at the most (as many as the target's answers make worth while); minutes in which an event
without an answer is repeated under its key; seconds that a target may take to show what it has accepted; into how many
parts a whole read is divided (0: as many as there are worker processes), and how many records a part has at least; days
that requests and replies are kept, and that a run lists the records of its buckets; percent of its articles that a
product feed may lose before it waits for a person."""

_tick = SYNC["TICK_SECONDS"]
CELERY_BEAT_SCHEDULE = {
    # Beat writes it beside the schedules that people edit. A ring nobody heard is worthless after a while.
    "Tick": {"task": "sync.tasks.tick", "schedule": _tick, "options": {"expire_seconds": 4 * _tick}},
    "Purge": {"task": "sync.tasks.purge", "schedule": 86_400.0},
    "Key sweep": {"task": "sync.tasks.sweep_all", "schedule": crontab(hour="3", minute="30")},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {"urllib3": {"level": "WARNING"}, "django.request": {"level": "ERROR"}},
}
