"""``manage.py plait_serve``."""

from plait.django.management.command import PassingCommand


class Command(PassingCommand):
    """The dashboard, with the project's code at hand for the inputs of runs that are started there."""

    help = "Serve the dashboard of Plait; options as `plait serve` takes them."
    words = ("serve",)
    serves_project = True
