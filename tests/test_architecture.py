"""Rules of the house that no linter holds."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("covidweb", "diagnosis", "ml")


def modules() -> list[Path]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return [path for path in found if "migrations" not in path.parts]


def functions() -> list[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (path, node)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def lines_of(function: ast.AST) -> int:
    return function.end_lineno - function.lineno + 1


def name_of(path: Path, function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"


def test_functions_fit_on_a_screen():
    lengths = sorted(lines_of(function) for _, function in functions())
    too_long = [name_of(path, function) for path, function in functions() if lines_of(function) > 60]
    assert too_long == []
    assert statistics.median(lengths) <= 10
    assert lengths[int(len(lengths) * 0.9)] <= 30


def test_no_file_is_over_400_lines():
    long = [str(path.relative_to(ROOT)) for path in modules() if len(path.read_text().splitlines()) > 400]
    assert long == []


def test_every_function_says_what_it_returns():
    silent = [
        name_of(path, function)
        for path, function in functions()
        if function.returns is None and function.name != "__init__"
    ]
    assert silent == []


def test_only_move_assigns_a_status():
    pattern = re.compile(r"\.status\s*=[^=]|update\([^)]*\bstatus=|setattr\([^)]*['\"]status")
    allowed = {ROOT / "diagnosis" / "models" / "base.py"}
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in modules()
        if path not in allowed
        for line in path.read_text(encoding="utf-8").splitlines()
        if pattern.search(line)
    ]
    assert found == []


def test_only_dispatch_puts_work_on_a_queue():
    pattern = re.compile(r"\.(delay|apply_async|send_task)\(")
    found = [str(p.relative_to(ROOT)) for p in modules() if pattern.search(p.read_text(encoding="utf-8"))]
    assert found == ["diagnosis/dispatch.py"]


def test_no_folder_is_for_odds_and_ends():
    banned = {"utils.py", "helpers.py", "common.py", "core.py", "managers.py", "signals.py"}
    assert [path.name for path in modules() if path.name in banned] == []


def test_the_web_process_loads_no_network_and_opens_no_film():
    code = (
        "import django, sys; django.setup(); import covidweb.urls, covidweb.wsgi; "
        "print(sorted({'torch', 'torchvision', 'numpy', 'PIL', 'pydicom', 'gdcm'} & set(sys.modules)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert loaded.stdout.strip() == "[]"


def test_ml_runs_where_django_is_not_installed():
    code = (
        "import sys; sys.modules['django'] = sys.modules['celery'] = None; "
        "import ml.images, ml.model, ml.train, ml.predict, ml.metrics, ml.__main__"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)


def test_nobody_is_left_out_of_coverage():
    found = [str(p.relative_to(ROOT)) for p in modules() if "no" + " cover" in p.read_text(encoding="utf-8")]
    assert found == []


def test_templates_and_scripts_carry_nothing_inline():
    inline = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=\"", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}: {match.group(0)}"
        for path in (ROOT / "templates").rglob("*.html")
        for match in inline.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []
