"""Plural nouns; an action is a noun too (`POST /studies/…/analyses/` asks for another analysis)."""

from django.contrib.auth.views import LogoutView
from django.urls import path
from django.views.generic import RedirectView

from diagnosis.api import views as api
from diagnosis.views import (
    account,
    acknowledgement,
    exports,
    media,
    notices,
    people,
    studies,
    system,
    teams,
    uploads,
    users,
)

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
    path("forgotten/", people.forgotten, name="forgotten"),
    path("password-link/", people.set_password, name="password-link"),
    path("account/", account.show, name="account"),
    path("account/password/", account.password, name="account-password"),
    path("notices/", notices.index, name="notices"),
    path("notices/readings/", notices.read_all, name="notices-readings"),
    path("notices/<uuid:pk>/reading/", notices.read, name="notice-reading"),
    path("users/", users.index, name="users"),
    path("users/new/", users.new, name="users-new"),
    path("users/<int:pk>/", users.show, name="user"),
    path("users/<int:pk>/link/", users.make_link, name="user-link"),
    path("users/<int:pk>/activation/", users.activate, name="user-activation"),
    path("users/<int:pk>/unlocking/", users.unlock, name="user-unlocking"),
    path("teams/", teams.index, name="teams"),
    path("teams/<int:pk>/", teams.show, name="team"),
    path("teams/<int:pk>/deletion/", teams.delete, name="team-deletion"),
    path("lateness/", system.lateness, name="lateness"),
    path("system/", system.index, name="system"),
    path("api/studies/<uuid:pk>/", api.StudyDetail.as_view(), name="api-study"),
]
