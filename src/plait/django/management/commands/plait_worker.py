"""``manage.py plait_worker``."""

from plait.django.management.command import PassingCommand


class Command(PassingCommand):
    """A worker for the workflows of all installed apps."""

    help = "Serve the workflows of the installed apps; options as `plait worker` takes them."
    words = ("worker",)
    serves_project = True
