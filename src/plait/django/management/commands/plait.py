"""``manage.py plait``."""

from plait.django.management.command import PassingCommand


class Command(PassingCommand):
    """Any other command of ``plait``."""

    help = "Run a `plait` command on the database of this project: manage.py plait runs list."
