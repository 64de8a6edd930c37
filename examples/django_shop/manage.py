"""The commands of this project: ``python manage.py migrate``, ``runserver``, ``plait_worker``, ``plait_serve``."""

import os

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    execute_from_command_line()
