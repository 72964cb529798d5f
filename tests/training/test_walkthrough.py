from pathlib import Path

import nbformat
import pytest

from app.settings import PROJECT

NOTEBOOK = PROJECT / "training" / "walkthrough.ipynb"


def test_walkthrough_is_committed_without_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert not [cell.outputs for cell in cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)]


@pytest.mark.mnist
def test_walkthrough_runs_from_top_to_bottom(mnist_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    for name, value in {
        "DIGITS_DATA_DIR": str(mnist_root.resolve()),
        "DIGITS_WALKTHROUGH_PICTURES": "300",
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "jupyter"),
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    printed = [output.text for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "stream"]
    assert printed[-1].count("→") == len(list((PROJECT / "samples").glob("*.png")))
