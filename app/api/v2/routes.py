"""All routes under ``/v2``."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.v2 import infer, metadata, repository

router = APIRouter(tags=["open inference protocol"])
for group in (metadata, infer, repository):
    router.include_router(group.router)
