"""Plural nouns; an action is a noun too (`POST /studies/…/analyses/` asks for another analysis)."""

from django.contrib.auth.views import LogoutView
from django.urls import path
from django.views.generic import RedirectView

from diagnosis.api import views as api
from diagnosis.views import acknowledgement, identity, media, people, studies, system, uploads, withdrawal

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="studies"), name="home"),
    path("health/", system.health, name="health"),
    path("sign-in/", people.SignIn.as_view(), name="login"),
    path("sign-out/", LogoutView.as_view(), name="logout"),
    path("acknowledgement/", acknowledgement.confirm, name="acknowledgement"),
    path("uploads/", uploads.new, name="uploads"),
    path("uploads/<uuid:pk>/", uploads.outcome, name="upload"),
    path("batches/<uuid:pk>/", uploads.batch, name="batch"),
    path("studies/", studies.index, name="studies"),
    path("studies/<uuid:pk>/", studies.show, name="study"),
    path("studies/<uuid:pk>/analyses/", studies.analyse_again, name="study-analyses"),
    path("studies/<uuid:pk>/print/", studies.print_view, name="study-print"),
    path("instances/<uuid:pk>/thumbnail/", media.thumbnail, name="instance-thumbnail"),
    path("instances/<uuid:pk>/preview/", media.preview, name="instance-preview"),
    path("instances/<uuid:pk>/pixels/", media.pixels, name="instance-pixels"),
    path("predictions/<uuid:pk>/heatmap/", media.heatmap, name="prediction-heatmap"),
    path("lateness/", system.lateness, name="lateness"),
    path("system/", system.index, name="system"),
    path("studies/search/", identity.search, name="study-search"),
    path("studies/<uuid:pk>/checks/", identity.check, name="study-check"),
    path("studies/<uuid:pk>/patient/", identity.patient, name="study-patient"),
    path("studies/<uuid:pk>/withdrawal/", withdrawal.withdraw, name="study-withdrawal"),
    path("studies/<uuid:pk>/restoration/", withdrawal.restore, name="study-restoration"),
    path("identity/", identity.index, name="identity"),
    path("identity/withdrawn/", withdrawal.index, name="identity-withdrawn"),
    path("conflicts/<uuid:pk>/decision/", identity.decide, name="conflict-decision"),
    path("api/studies/<uuid:pk>/", api.StudyDetail.as_view(), name="api-study"),
]
