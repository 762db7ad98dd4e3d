"""The pictures of the README are small, load nothing, and show the terminal's last state."""

from __future__ import annotations

import re

import pytest

from tools import pictures

BLOCKS = [f"\x1b[32mblock {number}\x1b[0m" for number in range(max(pictures._BLOCKS) + 1)]


def test_spinner_frames_are_left_out() -> None:
    output = "\x1b[?25l- sam build\r\x1b[2K| sam build\r\x1b[2K\n\x1b[?25h\x1b[1A\x1b[2Kdone  sam build\nnext"
    assert pictures.without_spinners(output) == "done  sam build\nnext"


def test_picture_of_the_demo_is_shortened_and_loads_nothing() -> None:
    picture = pictures.demo_picture("\n\n".join(BLOCKS))
    shown = {int(number) for number in re.findall(r"block&#160;(\d+)", picture)}
    assert shown == set(pictures._BLOCKS)
    assert "url(" not in picture.replace("url(#", "")


@pytest.mark.parametrize("name", ["demo.svg", "preview.png"])
def test_picture_is_small(name: str) -> None:
    assert 1_000 < (pictures.IMAGES / name).stat().st_size < 200_000
