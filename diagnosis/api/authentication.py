"""Who asks: a program with a token, or a page of this site with its session."""

from __future__ import annotations

from typing import Any

from rest_framework import authentication, exceptions, permissions
from rest_framework.request import Request

from diagnosis.models import ApiToken, User
from diagnosis.services import tokens
from diagnosis.states import Scope

REALM = 'Bearer realm="api"'


class ScopeMissingError(exceptions.PermissionDenied):
    """The token is good, but not for this; `scope` names what it lacks."""

    kind = "scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This token lacks the scope {scope}. Make one that has it on the page API tokens.")
        self.more = {"scope": scope}
        self.auth_header = f'{REALM}, error="insufficient_scope", scope="{scope}"'


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer TOKEN`. A request that brings a token is judged by it alone, whatever its cookies say."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            token = tokens.authenticate(secret.strip())
        except tokens.TokenRefusedError as refused:
            raise exceptions.AuthenticationFailed(str(refused)) from None
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """RFC 6750, section 3: whoever brought no token is told no error."""
        return f'{REALM}, error="invalid_token"' if "Authorization" in request.headers else REALM


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of a page; what changes something needs the CSRF token as well."""

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied:
            detail = "The CSRF token of the session is missing or wrong. Nothing was changed."
            raise exceptions.PermissionDenied(detail) from None


class HasScope(permissions.BasePermission):
    """A token does what its scopes say; a session does all that its user may."""

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = scope_of(view, request.method or "")
        if isinstance(request.auth, ApiToken) and needed and needed not in request.auth.scopes:
            raise ScopeMissingError(needed)
        return True


def scope_of(view: Any, method: str) -> str:
    """The scope that an operation needs; empty for a method that the view does not take."""
    if not hasattr(view, "get" if method == "HEAD" else method.lower()):
        return ""
    default = Scope.READ if method in permissions.SAFE_METHODS else Scope.WRITE
    return str(getattr(view, "scopes", {}).get(method, default))
