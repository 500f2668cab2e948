"""What `viatica web` serves: callbacks at the door, everything else through Django."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "viatica.config.settings")
_pages = get_wsgi_application()

from viatica.spine.doorway import hooks_first  # noqa: E402 - Django comes first

application = hooks_first(_pages)  # type: ignore[arg-type]  # Django's stubs have their own name for the same protocol
