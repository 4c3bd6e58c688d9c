"""All addresses: the product's own, the read-only admin, health."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("diagnosis.urls")),
]

handler400 = "diagnosis.views.errors.bad_request"
handler403 = "diagnosis.views.errors.forbidden"
handler404 = "diagnosis.views.errors.not_found"
handler500 = "diagnosis.views.errors.defect"
