from django.apps import AppConfig


class DiagnosisConfig(AppConfig):
    name = "diagnosis"
    verbose_name = "Chest X-ray reading"

    def ready(self) -> None:
        from diagnosis import checks  # noqa: F401  (registers the system checks)
