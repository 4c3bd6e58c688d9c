"""The program's addresses. What begins with /api/ and is none of them is answered with a problem document too."""

from django.urls import path, re_path

from diagnosis.api import assessment, documents, pictures, reads, studies, uploads

urlpatterns = [
    path("api/uploads/", uploads.Uploads.as_view(), name="api-uploads"),
    path("api/uploads/<uuid:pk>/", uploads.UploadDetail.as_view(), name="api-upload"),
    path("api/batches/<uuid:pk>/", uploads.BatchDetail.as_view(), name="api-batch"),
    path("api/studies/", studies.Studies.as_view(), name="api-studies"),
    path("api/searches/", studies.Searches.as_view(), name="api-searches"),
    path("api/studies/<uuid:pk>/", studies.StudyDetail.as_view(), name="api-study"),
    path("api/studies/<uuid:pk>/result/", studies.StudyResult.as_view(), name="api-study-result"),
    path("api/studies/<uuid:pk>/analyses/", studies.Analyses.as_view(), name="api-study-analyses"),
    path("api/studies/<uuid:pk>/withdrawal/", studies.Withdrawal.as_view(), name="api-study-withdrawal"),
    path(
        "api/instances/<uuid:pk>/assessment/", assessment.Assessment.as_view(), name="api-instance-assessment"
    ),
    path("api/instances/<uuid:pk>/pixels/", pictures.Pixels.as_view(), name="api-instance-pixels"),
    path("api/instances/<uuid:pk>/preview/", pictures.Preview.as_view(), name="api-instance-preview"),
    path("api/instances/<uuid:pk>/thumbnail/", pictures.Thumbnail.as_view(), name="api-instance-thumbnail"),
    path(
        "api/predictions/<uuid:pk>/heatmap/", pictures.HeatmapValues.as_view(), name="api-prediction-heatmap"
    ),
    path("api/predictions/<uuid:pk>/overlay/", pictures.Overlay.as_view(), name="api-prediction-overlay"),
    path("api/reads/", reads.Reads.as_view(), name="api-reads"),
    path("api/regions/", reads.Regions.as_view(), name="api-regions"),
    path("api/schema/", documents.SchemaDocument.as_view(), name="api-schema"),
    path("api/docs/", documents.docs, name="api-docs"),
    re_path(r"^api/", documents.Nowhere.as_view(), name="api-nowhere"),
]
