"""The built-in scenes: what stands where and how it moves. Sizes are given for 360 lines and scale with the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from grace_codec.media.synthetic.painting import (
    OPAQUE,
    TURN,
    Canvas,
    Layer,
    Painting,
    ball,
    coloured,
    sine,
    texture,
    wander,
)
from grace_codec.types import Planes

Draw = Callable[[int], Planes]
"""Time in microseconds -> the picture at that time."""


def _scale(height: int) -> Callable[[int], int]:
    """Lengths given for 360 lines -> whole px of this picture, at least 1."""
    return lambda lines: max(1, lines * height // 360)


def _talk(height: int, width: int, seed: int) -> Draw:
    """A person who speaks, nods and gestures in front of a shelf; the camera stands still."""
    px = _scale(height)

    room = _room(height, width, seed, px)
    coat = ball((px(150), px(170)), 62, (132, 122), grain=26, seed=seed + 1)
    neck = ball((px(28), px(44)), 128, (112, 148), grain=5, seed=seed + 2)
    head = ball((px(56), px(74)), 142, (110, 152), grain=7, seed=seed + 3)
    hair = ball((px(64), px(52)), 44, (124, 134), grain=44, seed=seed + 4)
    white = ball((px(9), px(5)), 176, (127, 129), grain=2, seed=seed + 5, soft=1)
    iris = ball((px(4), px(4)), 44, (128, 128), grain=4, seed=seed + 6, soft=1)
    lid = ball((px(11), px(7)), 128, (111, 150), grain=3, seed=seed + 7, soft=1)
    brow = ball((px(13), px(3)), 58, (124, 134), grain=12, seed=seed + 8, soft=1)
    nose = ball((px(8), px(17)), 146, (110, 153), grain=3, seed=seed + 9, soft=4)
    mouths = [
        ball((px(19 - opening), px(3 + 2 * opening)), 78, (116, 158), grain=6, seed=seed + 10, soft=1)
        for opening in range(5)
    ]
    hand = ball((px(26), px(34)), 146, (110, 152), grain=12, seed=seed + 11)
    sleeve = ball((px(40), px(130)), 60, (132, 122), grain=26, seed=seed + 12)

    def draw(at_us: int) -> Planes:
        painting = Painting(height, width)
        painting.put(room, 0, 0)
        body_x = (width << 7) + wander(at_us, px(7) << 8, 5200, seed)
        body_y = (px(196) << 8) + wander(at_us, px(3) << 8, 3700, seed + 1)
        turn_x = wander(at_us, px(9) << 8, 2900, seed + 2)
        nod_y = wander(at_us, px(6) << 8, 2300, seed + 3)
        head_x, head_y = body_x + turn_x, (px(150) << 8) + nod_y

        def put(shape: Layer, x: int, y: int) -> None:
            painting.put(shape, x - (shape.y.shape[1] << 7), y - (shape.y.shape[0] << 7))

        put(coat, body_x, body_y + (px(160) << 8))
        put(neck, (body_x + head_x) // 2, head_y + (px(78) << 8))
        put(hair, head_x, head_y - (px(34) << 8))
        put(head, head_x, head_y + (px(6) << 8))
        face_x, face_y = head_x + turn_x // 2, head_y + nod_y // 2
        for side in (-1, 1):
            eye_x = face_x + side * (px(23) << 8)
            put(white, eye_x, face_y - (px(6) << 8))
            put(iris, eye_x + turn_x // 6, face_y - (px(6) << 8))
            if (at_us // 1000 + seed * 77) % 3400 < 130:
                put(lid, eye_x, face_y - (px(6) << 8))
            put(brow, eye_x, face_y - (px(19) << 8) - abs(nod_y) // 4)
        put(nose, face_x + turn_x // 4, face_y + (px(14) << 8))
        speech = wander(at_us, 5, 610, seed + 4) + wander(at_us, 3, 270, seed + 5)
        put(mouths[max(0, min(4, speech + 1))], face_x, face_y + (px(43) << 8))
        put(hair, head_x + turn_x // 8, head_y - (px(74) << 8))
        lift = max(0, wander(at_us, px(220) << 8, 4100, seed + 6) + (px(20) << 8))
        hand_x, hand_y = body_x + (px(128) << 8) + turn_x * 2, (px(420) << 8) - lift
        put(sleeve, hand_x + (px(12) << 8), hand_y + (px(142) << 8))
        put(hand, hand_x, hand_y)
        return painting.finished(2, seed * 7919 + at_us)

    return draw


def _room(height: int, width: int, seed: int, px: Callable[[int], int]) -> Layer:
    shade = (
        np.arange(width, dtype=np.int32)[None, :] * 50 // width
        + np.arange(height, dtype=np.int32)[:, None] * 24 // height
    )
    y = 168 - shade + (texture(height, width, px(90), 2, seed + 20) * 9 >> 7)
    u, v = (np.full((height // 2, width // 2), value, np.int32) for value in (121, 131))
    random = np.random.RandomState(seed + 21)
    for shelf in range(3):
        bottom = px(95) + shelf * px(88)
        x = px(18)
        while x < width * 2 // 5:
            thick, tall, tone, blue, red = (random.randint(low, high) for low, high in _BOOK)
            book = slice(max(bottom - px(tall), 0), bottom), slice(x, min(x + px(thick), width))
            y[book] = tone + (texture(height, width, px(10), 2, seed + x)[book] * 14 >> 7)
            half = slice(book[0].start // 2, bottom // 2), slice(x // 2, book[1].stop // 2)
            u[half], v[half] = blue, red
            x += px(thick) + 1 + (tone & 1)
        y[bottom : bottom + px(7), : width * 2 // 5 + px(10)] -= 74
    y[px(40) : px(170), width * 3 // 4 : width - px(24)] += 46
    for slat in range(px(40), px(170), max(px(13), 2)):
        y[slat : slat + px(3), width * 3 // 4 : width - px(24)] -= 34
    alpha = np.full((height, width), OPAQUE, np.int32)
    return Layer(y, u, v, alpha, alpha[::2, ::2])


_BOOK: Final = ((9, 24), (48, 74), (50, 190), (104, 150), (106, 156))
"""Ranges of a book: thickness and height in px of 360 lines, brightness, u, v."""


def _pan(height: int, width: int, seed: int) -> Draw:
    """A hand-held camera sweeps over hills and houses; nearer things pass faster, cars drive by."""
    px = _scale(height)

    wide = width * 2 + px(300)
    sky = _strip(
        height, wide // 2 + width, 186, (138, 120), texture(height, wide // 2 + width, px(160), 4, seed) * 40 >> 7
    )
    hills = _ground(
        height, _ridge(wide * 3 // 4 + width // 2, px(120), px(60), px, seed + 1), 104, (118, 126), seed + 51
    )
    town = _houses(height, wide, seed + 2, px)
    bushes = _ground(height, _ridge(wide * 3 // 2, px(315), px(22), px, seed + 3), 66, (116, 122), seed + 53)
    cars = [
        ball((px(30), px(13)), 80 + 50 * i, colour, grain=18, seed=seed + 4 + i) for i, colour in enumerate(_PAINTS)
    ]

    def draw(at_us: int) -> Planes:
        painting = Painting(height, width)
        sweep = (sine(at_us * TURN // 13_000_000 + seed * 4093 - TURN // 4) + 32768) * (width << 8) // 65536
        shake_x, shake_y = wander(at_us, px(3) << 8, 900, seed), wander(at_us, px(2) << 8, 1100, seed + 1)
        painting.put(sky, -(sweep // 4 + shake_x), -shake_y)
        painting.put(hills, -(sweep // 2 + shake_x), -shake_y)
        painting.put(town, -(sweep + shake_x), -shake_y)
        for i, car in enumerate(cars):
            road = (wide << 8) + (px(400) << 8)
            x = (at_us * (px(90 + 35 * i) << 8) // 1_000_000 + i * road // 3 + seed * 997) % road - (px(100) << 8)
            painting.put(car, x - sweep - shake_x, (px(282 + 9 * i) << 8) - shake_y)
        painting.put(bushes, -(sweep * 3 // 2 + shake_x), -shake_y)
        return painting.finished(2, seed * 7919 + at_us)

    return draw


_PAINTS: Final = ((118, 170), (150, 110), (126, 132))


def _strip(height: int, width: int, tone: int, colour: tuple[int, int], surface: Canvas) -> Layer:
    fade = np.arange(height, dtype=np.int32)[:, None] * 30 // height
    return coloured(tone + fade + surface, colour, np.full((height, width), OPAQUE, np.int32))


def _ridge(width: int, top: int, rough: int, px: Callable[[int], int], seed: int) -> Canvas:
    """A skyline: (width,) px from the top."""
    ridge: Canvas = top + (texture(2, width, px(120), px(4), seed)[0] * rough >> 7)
    return ridge


def _ground(height: int, ridge: Canvas, tone: int, colour: tuple[int, int], seed: int) -> Layer:
    """Grown land below a ridge."""
    below = np.arange(height, dtype=np.int32)[:, None] - ridge[None, :]
    surface = texture(height, ridge.size, height // 9, 2, seed) * 34 >> 7
    return coloured(tone + surface, colour, np.clip(below * 96 + 128, 0, OPAQUE))


def _houses(height: int, width: int, seed: int, px: Callable[[int], int]) -> Layer:
    y = 92 + (texture(height, width, px(30), 2, seed) * 26 >> 7)
    u, v = (np.full(((height + 1) // 2, (width + 1) // 2), value, np.int32) for value in (124, 132))
    alpha = np.zeros((height, width), np.int32)
    street = px(265)
    alpha[street:] = OPAQUE
    random = np.random.RandomState(seed)
    brick = texture(height, width, px(16), 2, seed + 60) * 16 >> 7
    x = px(10)
    while x < width - px(130):
        broad, tall, tone, blue, red = (random.randint(low, high) for low, high in _HOUSE)
        roof = street - px(tall)
        wall = slice(roof, street), slice(x, x + px(broad))
        y[wall], alpha[wall] = tone + brick[wall], OPAQUE
        half = slice(roof // 2, street // 2), slice(x // 2, (x + px(broad)) // 2)
        u[half], v[half] = blue, red
        for row in range(roof + px(8), street - px(16), px(24)):
            for column in range(x + px(7), x + px(broad) - px(14), px(20)):
                y[row : row + px(13), column : column + px(9)] = 40 + random.randint(0, 150)
        x += px(broad) + px(random.randint(0, 40))
    return Layer(y, u, v, alpha, alpha[::2, ::2])


_HOUSE: Final = ((54, 120), (70, 190), (110, 190), (112, 132), (126, 146))


def _detail(height: int, width: int, seed: int) -> Draw:
    """Leaves in the wind before a rough wall, a ball that rolls through: fine texture and many small motions."""
    px = _scale(height)

    margin = px(40)
    wall = _strip(
        height + margin,
        width + margin,
        104,
        (122, 130),
        texture(height + margin, width + margin, px(24), 2, seed) * 70 >> 7,
    )
    random = np.random.RandomState(seed + 1)
    kinds = [
        ball(
            (px(14 + 3 * i), px(9 + 2 * (i % 3))),
            76 + 16 * i,
            (112 + 2 * i, 116 + 3 * i),
            grain=54,
            seed=seed + 2 + i,
            soft=1,
        )
        for i in range(6)
    ]
    leaves = [(random.randint(0, 6), random.randint(0, width), random.randint(0, height)) for _ in range(70)]
    rolling = ball((px(44), px(44)), 150, (104, 168), grain=60, seed=seed + 9)

    def draw(at_us: int) -> Planes:
        painting = Painting(height, width)
        x, y = wander(at_us, margin << 7, 6100, seed), wander(at_us, margin << 7, 4700, seed + 1)
        painting.put(wall, x - (margin << 7), y - (margin << 7))
        wind = wander(at_us, px(10) << 8, 1900, seed + 2)
        for number, (kind, left, top) in enumerate(leaves):
            if number == 45:
                across = at_us * (px(110) << 8) // 1_000_000 % ((width + px(200)) << 8) - (px(100) << 8)
                painting.put(rolling, across, (px(190) << 8) + wander(at_us, px(30) << 8, 1300, seed))
            sway = wander(at_us, px(5) << 8, 1500 + 40 * (number % 16), number) + wind * (number % 5) // 4
            painting.put(kinds[kind], (left << 8) + sway + x * 3 // 2, (top << 8) + sway // 3 + y * 3 // 2)
        return painting.finished(2, seed * 7919 + at_us)

    return draw


SCENES: Final[dict[str, Callable[[int, int, int], Draw]]] = {"talk": _talk, "pan": _pan, "detail": _detail}
"""Name -> (height, width, seed) -> draw."""
