"""Plural nouns; an action is a noun too (`POST /studies/…/analyses/` asks for another analysis)."""

from django.contrib.auth.views import LogoutView
from django.urls import path
from django.views.generic import RedirectView

from diagnosis.api.urls import urlpatterns as api
from diagnosis.views import acknowledgement, media, people, studies, system, tokens, uploads

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
    path("tokens/", tokens.index, name="tokens"),
    path("tokens/<uuid:pk>/revocation/", tokens.revoke, name="token-revocation"),
    *api,
]
