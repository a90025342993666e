"""Laws of the runnable shell blocks: only marked ones run, in order, and a failing command ends the run."""

from __future__ import annotations

from pathlib import Path

from tests.shell_blocks import run_blocks, shell_blocks

FENCE = "```"


def document(*blocks: str) -> str:
    return "\n".join(
        f"text\n\n{mark}{FENCE}sh\n{body}\n{FENCE}\n" for mark, _, body in (b.partition("|") for b in blocks)
    )


def test_only_marked_blocks_are_taken_and_in_order() -> None:
    text = document("<!-- run -->\n|echo one", "|rm -rf /nothing", "<!-- run -->\n|echo two\necho three")
    assert shell_blocks(text) == ["echo one\n", "echo two\necho three\n"]


def test_blocks_of_a_document_share_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "document.md"
    path.write_text(document("<!-- run -->\n|echo found > file", f"<!-- run -->\n|cp file {tmp_path}/copy"))
    assert run_blocks(path)
    assert (tmp_path / "copy").read_text() == "found\n"


def test_a_command_that_fails_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "document.md"
    path.write_text(document("<!-- run -->\n|false\ntrue", f"<!-- run -->\n|touch {tmp_path}/late"))
    assert not run_blocks(path)
    assert not (tmp_path / "late").exists()
