"""What is in an image, in CycloneDX's form: ``python docker/sbom.py digits:latest > sbom.json``.

The image itself is asked and not the lock file, so that the base's packages and the models are in the list too. The same
image gives the same list, to the byte.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

# Runs in the image, with nothing but what is there.
ASK: Final = """
import importlib.metadata, json, pathlib, platform, subprocess

query = ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\\n"]
packages = subprocess.run(query, capture_output=True, text=True, check=True)
manifests = [json.loads(path.read_text()) for path in sorted(pathlib.Path("models").glob("*/manifest.json"))]
print(json.dumps({
    "python": platform.python_version(),
    "release": platform.freedesktop_os_release()["VERSION_ID"],
    "debian": [line.split() for line in packages.stdout.splitlines()],
    "distributions": sorted({
        (found.name, found.version, found.metadata.get("License-Expression") or found.metadata.get("License") or "")
        for found in importlib.metadata.distributions()
    }),
    "models": [
        {"name": each["name"], "version": each["version"], "sha256": each["files"]["model.onnx"], "licence": each["licence"]}
        for each in manifests
    ],
}))
"""
LONGEST_LICENCE: Final = 80  # some packages give the whole text where its name belongs


def describe(image: str) -> Bom:
    """The bill of materials of an image that the engine has.

    Raises:
        subprocess.CalledProcessError: there is no such image, or no Python and no dpkg in it.
    """
    [inspected] = json.loads(_docker("image", "inspect", image))
    content = json.loads(_docker("run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", ASK))
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_OID, inspected["Id"]), components=components(content))
    labels = inspected["Config"]["Labels"]
    bom.metadata.timestamp = datetime.fromisoformat(inspected["Created"])
    bom.metadata.component = Component(
        name="digits", version=labels["org.opencontainers.image.version"], type=ComponentType.CONTAINER, bom_ref=inspected["Id"]
    )
    bom.register_dependency(bom.metadata.component, bom.components)
    return bom


def components(content: dict[str, Any]) -> Iterator[Component]:
    """What ``ASK`` printed, each with its package URL or its hash."""
    yield _component("python", content["python"], PackageURL("generic", None, "python", content["python"]), "PSF-2.0")
    distro = {"distro": f"debian-{content['release']}"}
    for name, version, architecture in content["debian"]:
        yield _component(name, version, PackageURL("deb", "debian", name, version, {"arch": architecture} | distro))
    for name, version, licence in content["distributions"]:
        yield _component(name, version, PackageURL("pypi", None, name, version), licence)
    for model in content["models"]:
        yield Component(
            name=model["name"],
            version=model["version"],
            type=ComponentType.MACHINE_LEARNING_MODEL,
            hashes=[HashType.from_hashlib_alg("sha256", model["sha256"])],
            licenses=[LicenseFactory().make_from_string(model["licence"])],
            bom_ref=f"model:{model['name']}@{model['version']}",
        )


def _component(name: str, version: str, purl: PackageURL, licence: str = "") -> Component:
    known = licence and licence != "UNKNOWN" and len(licence) <= LONGEST_LICENCE
    licences = [LicenseFactory().make_from_string(licence)] if known else []
    return Component(
        name=name, version=version, type=ComponentType.LIBRARY, purl=purl, licenses=licences, bom_ref=purl.to_string()
    )


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    print(make_outputter(describe(sys.argv[1]), OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1))
