"""All addresses: the product's own, the read-only admin, health."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("diagnosis.urls")),
]
