"""The program's door. It grows with full intake; so far a program with a session can read a study."""

from __future__ import annotations

import uuid

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from diagnosis import access
from diagnosis.api.serializers import StudySerializer


class StudyDetail(APIView):
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        return Response(StudySerializer(access.study_for(request.user, pk)).data)
