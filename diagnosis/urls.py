"""Plural nouns; an action is a noun too (`POST /studies/…/analyses/` asks for another analysis)."""

from django.contrib.auth.views import LogoutView
from django.urls import path
from django.views.generic import RedirectView

from diagnosis.api import views as api
from diagnosis.views import acknowledgement, exports, media, people, studies, system, uploads

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
    path("studies/<uuid:pk>/result.csv", exports.study_csv, name="study-csv"),
    path("studies/<uuid:pk>/result.pdf", exports.study_pdf, name="study-pdf"),
    path("batches/<uuid:pk>/results.csv", exports.batch_csv, name="batch-csv"),
    path("batches/<uuid:pk>/results.pdf", exports.batch_pdf, name="batch-pdf"),
    path("instances/<uuid:pk>/thumbnail/", media.thumbnail, name="instance-thumbnail"),
    path("instances/<uuid:pk>/preview/", media.preview, name="instance-preview"),
    path("instances/<uuid:pk>/pixels/", media.pixels, name="instance-pixels"),
    path("predictions/<uuid:pk>/heatmap/", media.heatmap, name="prediction-heatmap"),
    path("lateness/", system.lateness, name="lateness"),
    path("system/", system.index, name="system"),
    path("api/studies/<uuid:pk>/", api.StudyDetail.as_view(), name="api-study"),
]
