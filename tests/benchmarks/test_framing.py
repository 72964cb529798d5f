from __future__ import annotations

import time

import pytest

from app.digits.image import open_picture
from app.digits.preprocessing import mnist_frame
from benchmarks import framing


def test_cheapest_of_a_work_and_one_of_ten_times_that_keeps_their_order() -> None:
    def spend(seconds: float) -> None:
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    works = {"long": lambda: spend(0.01), "short": lambda: spend(0.001)}
    cheapest = framing.cheapest_ms(works, {"long": 1, "short": 5}, rounds=3)
    assert cheapest["long"] == pytest.approx(10, rel=0.3)
    assert cheapest["short"] == pytest.approx(1, rel=0.3)


def test_files_are_what_they_say_and_each_has_its_row() -> None:
    pictures = framing.files((1600, 1200))
    frames = {name: mnist_frame(open_picture(data).decode().grey) for name, data in pictures.items()}
    assert [name for name, frame in frames.items() if frame.steps == ("native",)] == ["28×28 native frame, PNG"]
    assert {open_picture(data).pixels for data in pictures.values()} == {28 * 28, 112 * 112, 1600 * 1200}
    assert framing.render(pictures, rounds=1).row_count == len(pictures)
