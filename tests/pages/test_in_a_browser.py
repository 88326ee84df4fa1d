"""Each page in a real browser: no script fails, nothing is wider than a phone, and no network is asked for anything.

One browser opens all pages, each in a frame of 400 pixels, and tells what it found there.
"""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import w2vray
from w2vray.cluster.score import write_report
from w2vray.cluster.trained_page import write_model_page

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = '<script>parent.broken = "ran"</script><img src="http://127.0.0.1:9/x" onerror="parent.broken = 1">'
FRAME = """
<!DOCTYPE html><meta charset="utf-8"><title>waiting</title>
<script>
window.found = {{}};
window.look = (name, frame) => {{
  const page = frame.contentDocument, errors = [];
  frame.contentWindow.addEventListener("error", (event) => errors.push(event.message));
  const wide = [...page.querySelectorAll("body *")].filter(
    (one) => one.getBoundingClientRect().right > 401 && !one.closest(".scroll, svg"));
  const column = (place) => [...page.querySelectorAll("table.data")[0].tBodies[0].rows].map(
    (row) => Number(row.cells[place].dataset.v));
  const buttons = [...page.querySelectorAll("button")];
  buttons.forEach((button) => button.click());
  const number = [...page.querySelectorAll("table.data")[0].tHead.rows[0].cells].findIndex(
    (head) => head.className === "n");
  const head = page.querySelectorAll("table.data")[0].tHead.rows[0].cells[number];
  head.querySelector("button").click();
  window.found[name] = {{
    width: page.documentElement.scrollWidth,
    wide: wide.map((one) => one.outerHTML.slice(0, 200)),
    errors,
    scripts: page.querySelectorAll("script").length,
    images: page.querySelectorAll("img").length,
    loaded: frame.contentWindow.performance.getEntriesByType("resource").map((entry) => entry.name),
    buttons: buttons.length,
    sorted: head.getAttribute("aria-sort"),
    column: column(number),
    plots: page.querySelectorAll("figure svg").length,
    broken: window.broken ?? null,
    sideways: [...page.querySelectorAll(".scroll")].map((one) => one.scrollWidth - one.clientWidth),
    signed: [...page.querySelectorAll(".scroll")].map((one) => [
      one.parentElement.classList.contains("right"), one.parentElement.previousElementSibling.innerText]),
    copies: [...page.querySelectorAll("button.copy")].map((one) => one.getClientRects()[0].height),
    wrapped: [...page.querySelectorAll("td.k")].filter((one) => {{
      const range = page.createRange();
      range.selectNodeContents(one);
      return range.getClientRects().length > 1;
    }}).map((one) => one.textContent),
  }};
  if (Object.keys(window.found).length === {frames}) {{
    document.body.innerHTML = "";
    document.body.append(Object.assign(document.createElement("pre"), {{textContent: JSON.stringify(window.found)}}));
  }}
}};
</script>
<body>
"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed: apt-get install chromium"),
]


@pytest.fixture
def pages(
    training_in_process: None,
    word_vectors: w2vray.Vectors,
    make_store: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Path]:
    """A page of each kind, with a hostile label, hostile texts and a hostile file name."""
    del training_in_process
    monkeypatch.setattr("w2vray.cluster.score.write_report", write_report)
    monkeypatch.setattr("w2vray.cluster.one_training.write_model_page", write_model_page)
    (tmp_path / "store").mkdir()
    rows = [row for file in make_store(files=2, rows=60).iterdir() for row in pq.read_table(file).to_pylist()]
    for row in rows:
        row["label"] = HOSTILE if row["label"] == "low" else row["label"] * 30
        row["text"] = f"{row['text']} {HOSTILE} {'long' * 60}"
    store = tmp_path / "store" / "<b>&amp;.parquet"
    pq.write_table(pa.Table.from_pylist(rows), store)
    (tmp_path / "store" / "<i>bad.parquet").write_bytes(b"PAR1")
    assert word_vectors.path is not None
    model = tmp_path / "model"
    w2vray.train(store, vectors=word_vectors.path, output=model, model="cnn", filters=4, epochs=2, test_fraction=0.2)
    w2vray.evaluate(store, model=model, output=tmp_path / "out")
    w2vray.score(tmp_path / "store", model=model, output=tmp_path / "run", threshold=0.5)
    return {name: tmp_path / name / "report.html" for name in ("model", "out", "run")}


def look(pages: dict[str, Path], folder: Path) -> tuple[dict[str, Any], str]:
    """Open the pages, and return what was found in each, and what the browser complained of."""
    frames = [
        f'<iframe width="400" height="800" style="border: 0" srcdoc="{html.escape(page.read_text(encoding="utf-8"))}" '
        f"onload='look({json.dumps(name)}, this)'></iframe>"
        for name, page in pages.items()
    ]
    (folder / "frames.html").write_text(FRAME.format(frames=len(frames)) + "\n".join(frames), encoding="utf-8")
    assert BROWSER is not None
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"]
    command += ["--no-first-run", "--disable-background-networking", f"--user-data-dir={folder / 'profile'}"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--virtual-time-budget=20000"]
    done = subprocess.run(
        [*command, "--dump-dom", f"file://{folder / 'frames.html'}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    told = re.search(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    assert told is not None, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(html.unescape(told[1]))
    return found, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def test_each_page_works_on_a_phone_and_asks_no_network_for_anything(pages: dict[str, Path], tmp_path: Path) -> None:
    found, console = look(pages, tmp_path)
    assert console == ""
    assert set(found) == {"model", "out", "run"}
    for name, page in found.items():
        assert page["width"] <= 400, (name, page["wide"])
        assert page["wide"] == [], name
        assert (page["errors"], page["loaded"], page["broken"]) == ([], [], None), name
        assert (page["scripts"], page["images"]) == (1, 0), name
        assert page["buttons"] > 5, name
        assert page["sorted"] in {"ascending", "descending"}, name
        assert page["wrapped"] == [], "a word or an id stands on one line"
        assert max(page["copies"]) < 40, "the word on the button stands on one line"
        for wider, (right, hint) in zip(page["sideways"], page["signed"], strict=True):
            assert right == (wider > 1), name
            assert ("Scroll sideways" in hint) == (wider > 1), name
        assert any(right for right, _ in page["signed"]), "hostile texts are wider than a phone"
        ordered = sorted(page["column"], reverse=page["sorted"] == "descending")
        assert page["column"] == ordered, name
    assert found["run"]["sideways"][0] == 0, "the slowest units"
    assert found["model"]["plots"] >= 2, "the learning curve"
    assert found["out"]["plots"] >= 3
    assert found["run"]["plots"] == 3


def test_a_page_that_is_too_wide_or_fails_is_noticed(tmp_path: Path) -> None:
    """What the test above would see."""
    table = '<table class="data"><thead><tr><th class="n"><button></button></th></tr></thead><tbody></tbody></table>'
    (tmp_path / "bad.html").write_text(
        f'<!DOCTYPE html><body>{table}<div style="width: 600px">wide</div><img src="http://127.0.0.1:9/x.png">'
        "<script>console.error('no')</script>"
    )
    found, console = look({"bad": tmp_path / "bad.html"}, tmp_path)
    assert found["bad"]["width"] > 400
    assert "wide" in found["bad"]["wide"][0]
    assert found["bad"]["loaded"] == ["http://127.0.0.1:9/x.png"]
    assert "no" in console
