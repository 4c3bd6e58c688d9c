"""Signing in. What follows it is `acknowledgement`."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.views import LoginView


class SignIn(LoginView):
    template_name = "registration/sign_in.html"
    redirect_authenticated_user = True
    # Django's own view puts the host here.
    extra_context = {"site_name": settings.SITE_NAME}
