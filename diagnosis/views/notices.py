"""What one should know, until it is read."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from diagnosis import access, selectors
from diagnosis.models import User
from diagnosis.services import notices


@never_cache
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "notices/index.html", {"notices": selectors.notices(request.user)})


@require_POST
def read(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Opening a notice reads it; `stay` reads it alone."""
    notice = access.notice_for(request.user, pk)
    notices.mark_read(notice)
    opens = "stay" not in request.POST and url_has_allowed_host_and_scheme(notice.address, allowed_hosts=None)
    return redirect(notice.address if opens else "notices")


@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    notices.mark_all_read(request.user)
    return redirect("notices")
