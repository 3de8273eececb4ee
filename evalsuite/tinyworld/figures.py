"""The people of tinyworld: skin, hair and, by occupation, clothes, hats and tools."""

from collections.abc import Callable

import numpy as np

from evalsuite.tinyworld.canvas import Canvas, Colour

SKINS: dict[str, Colour] = {
    "light": (252, 220, 192),
    "medium-light": (228, 178, 136),
    "medium": (188, 128, 86),
    "medium-dark": (136, 84, 54),
    "dark": (84, 50, 34),
}
_HAIR: Colour = (22, 18, 24)
_WHITE: Colour = (250, 250, 250)
_BLACK: Colour = (24, 24, 28)
_GOLD: Colour = (250, 206, 50)
_RED: Colour = (214, 36, 40)
_NAVY: Colour = (28, 42, 110)


def draw_person(canvas: Canvas, occupation: str, presentation: str, tone: str) -> None:
    """Paint a person from the waist up, from the back of the scene to its front."""
    clothes, behind, dress, hat = _OUTFITS[occupation]
    skin = SKINS[tone]
    if behind:
        behind(canvas)
    if presentation == "feminine":
        canvas.paint(canvas.oval(0.5, 0.41, 0.235, 0.25), _HAIR)
    _body(canvas, clothes, skin)
    if dress:
        dress(canvas)
    _head(canvas, presentation, skin)
    if hat:
        hat(canvas)


def _body(canvas: Canvas, clothes: Colour, skin: Colour) -> None:
    shoulders = canvas.box(0.5, 0.9, 0.62, 0.5, 0.16)
    canvas.paint(shoulders, clothes)
    canvas.paint(canvas.box(0.5, 0.6, 0.14, 0.16), skin)
    for x in (0.2, 0.8):  # hands
        canvas.paint(canvas.disc(x, 0.9, 0.065), skin)


def _head(canvas: Canvas, presentation: str, skin: Colour) -> None:
    face = canvas.oval(0.5, 0.41, 0.165, 0.185)
    if presentation == "feminine":
        for x in (0.295, 0.705):  # strands over the shoulders
            canvas.paint(canvas.stroke(x, 0.42, x, 0.74, 0.115), _HAIR)
    canvas.paint(face, skin)
    if presentation == "masculine":
        canvas.paint(np.maximum(face, 0.485 - canvas.y), _HAIR)  # beard
        canvas.paint(canvas.box(0.5, 0.505, 0.11, 0.04), skin)  # mouth
        crown = canvas.oval(0.5, 0.39, 0.185, 0.195)
        canvas.paint(np.maximum(crown, canvas.y - 0.31), _HAIR)
    else:
        fringe = canvas.oval(0.5, 0.40, 0.19, 0.21)
        canvas.paint(np.maximum(fringe, canvas.y - 0.30), _HAIR)
        canvas.paint(canvas.box(0.5, 0.51, 0.09, 0.035), _RED)  # lips
    for x in (0.43, 0.57):  # eyes
        canvas.paint(canvas.disc(x, 0.4, 0.024), _BLACK)


def _red_cross(canvas: Canvas, x: float, y: float, size: float) -> None:
    canvas.paint(canvas.box(x, y, size, size / 3), _RED)
    canvas.paint(canvas.box(x, y, size / 3, size), _RED)


def _board(canvas: Canvas) -> None:
    canvas.paint(canvas.box(0.5, 0.34, 0.92, 0.56), (112, 70, 36))
    canvas.paint(canvas.box(0.5, 0.34, 0.86, 0.5), (22, 92, 66))


def _visor(canvas: Canvas) -> None:
    canvas.paint(canvas.disc(0.5, 0.4, 0.33), (236, 240, 246))
    canvas.paint(canvas.disc(0.5, 0.4, 0.27), (96, 168, 226))


def _coat(canvas: Canvas) -> None:
    canvas.paint(canvas.polygon([(0.42, 0.66), (0.58, 0.66), (0.5, 0.86)]), (70, 130, 210))
    canvas.paint(canvas.stroke(0.4, 0.68, 0.42, 0.88, 0.04), _BLACK)
    canvas.paint(canvas.stroke(0.6, 0.68, 0.58, 0.88, 0.04), _BLACK)
    canvas.paint(canvas.disc(0.42, 0.9, 0.055), _BLACK)


def _flask(canvas: Canvas) -> None:
    canvas.paint(canvas.polygon([(0.84, 0.56), (0.95, 0.86), (0.73, 0.86)]), (60, 200, 70))
    canvas.paint(canvas.box(0.84, 0.55, 0.07, 0.16), _WHITE)


def _gavel(canvas: Canvas) -> None:
    canvas.paint(canvas.polygon([(0.4, 0.66), (0.6, 0.66), (0.56, 0.92), (0.44, 0.92)]), _WHITE)
    canvas.paint(canvas.stroke(0.82, 0.6, 0.82, 0.9, 0.05), (130, 76, 34))
    canvas.paint(canvas.box(0.82, 0.6, 0.24, 0.14, 0.02), (130, 76, 34))


def _palette(canvas: Canvas) -> None:
    for y in (0.74, 0.84, 0.94):
        canvas.paint(
            np.maximum(canvas.box(0.5, y, 0.56, 0.05), canvas.box(0.5, 0.9, 0.62, 0.5, 0.16)), _NAVY
        )
    canvas.paint(canvas.oval(0.8, 0.78, 0.17, 0.13), (196, 140, 80))
    for x, y, ink in ((0.72, 0.75, _RED), (0.82, 0.72, (40, 90, 220)), (0.86, 0.82, _GOLD)):
        canvas.paint(canvas.disc(x, y, 0.042), ink)


def _wrench(canvas: Canvas) -> None:
    canvas.paint(canvas.box(0.5, 0.86, 0.26, 0.24), (52, 112, 196))
    for x in (0.4, 0.6):
        canvas.paint(canvas.stroke(x, 0.64, x, 0.8, 0.05), (52, 112, 196))
    canvas.paint(canvas.stroke(0.84, 0.62, 0.84, 0.94, 0.065), (210, 214, 222))
    canvas.paint(canvas.disc(0.84, 0.57, 0.1), (210, 214, 222))
    canvas.paint(canvas.box(0.84, 0.51, 0.07, 0.12), (90, 92, 100))


def _microphone(canvas: Canvas) -> None:
    canvas.paint(canvas.stroke(0.82, 0.66, 0.82, 0.96, 0.07), _BLACK)
    canvas.paint(canvas.disc(0.82, 0.6, 0.1), (120, 124, 136))
    for x, y in ((0.36, 0.8), (0.5, 0.9), (0.62, 0.78)):
        canvas.paint(canvas.disc(x, y, 0.035), _GOLD)


def _stripes(canvas: Canvas) -> None:
    body = canvas.box(0.5, 0.9, 0.62, 0.5, 0.16)
    canvas.paint(np.maximum(body, canvas.box(0.5, 0.86, 0.7, 0.09)), (246, 240, 90))


def _vest(canvas: Canvas) -> None:
    for x in (0.36, 0.64):
        canvas.paint(canvas.stroke(x, 0.7, x, 1.0, 0.075), (246, 250, 120))


def _badge(canvas: Canvas) -> None:
    canvas.paint(canvas.disc(0.62, 0.8, 0.065), _GOLD)


def _wings(canvas: Canvas) -> None:
    canvas.paint(canvas.polygon([(0.44, 0.66), (0.56, 0.66), (0.5, 0.76)]), _WHITE)
    canvas.paint(canvas.stroke(0.5, 0.74, 0.5, 0.98, 0.055), _RED)
    for x in (0.24, 0.76):
        canvas.paint(canvas.stroke(x - 0.06, 0.7, x + 0.06, 0.7, 0.05), _GOLD)


def _straps(canvas: Canvas) -> None:
    canvas.paint(canvas.box(0.5, 0.92, 0.34, 0.24), (66, 106, 190))
    for x in (0.38, 0.62):
        canvas.paint(canvas.stroke(x, 0.66, x, 0.86, 0.055), (66, 106, 190))


def _scarf(canvas: Canvas) -> None:
    canvas.paint(canvas.polygon([(0.38, 0.64), (0.62, 0.64), (0.5, 0.78)]), _RED)
    for y in (0.82, 0.92):
        for x in (0.44, 0.56):
            canvas.paint(canvas.disc(x, y, 0.025), _BLACK)


def _scrubs(canvas: Canvas) -> None:
    _red_cross(canvas, 0.62, 0.82, 0.15)


def _panel(canvas: Canvas) -> None:
    canvas.paint(canvas.box(0.5, 0.84, 0.26, 0.16), (110, 116, 130))
    canvas.paint(canvas.disc(0.44, 0.84, 0.035), _RED)
    canvas.paint(canvas.disc(0.56, 0.84, 0.035), (60, 200, 70))


def _book(canvas: Canvas) -> None:
    canvas.paint(canvas.box(0.8, 0.82, 0.22, 0.24), (240, 120, 40))
    canvas.paint(canvas.box(0.8, 0.82, 0.03, 0.24), _WHITE)


def _beret(canvas: Canvas) -> None:
    canvas.paint(canvas.oval(0.44, 0.235, 0.23, 0.085), (150, 30, 130))
    canvas.paint(canvas.disc(0.44, 0.14, 0.03), (150, 30, 130))


def _hard_hat(canvas: Canvas) -> None:
    canvas.paint(np.maximum(canvas.oval(0.5, 0.3, 0.21, 0.21), canvas.y - 0.29), (250, 200, 20))
    canvas.paint(canvas.box(0.5, 0.29, 0.5, 0.055, 0.02), (250, 200, 20))


def _toque(canvas: Canvas) -> None:
    for x, y in ((0.36, 0.13), (0.5, 0.09), (0.64, 0.13)):
        canvas.paint(canvas.disc(x, y, 0.11), _WHITE)
    canvas.paint(canvas.box(0.5, 0.22, 0.34, 0.14), _WHITE)


def _straw_hat(canvas: Canvas) -> None:
    canvas.paint(canvas.oval(0.5, 0.27, 0.38, 0.06), (226, 186, 90))
    canvas.paint(np.maximum(canvas.oval(0.5, 0.27, 0.2, 0.2), canvas.y - 0.27), (226, 186, 90))
    canvas.paint(canvas.box(0.5, 0.235, 0.38, 0.045), (120, 66, 30))


def _helmet(canvas: Canvas) -> None:
    canvas.paint(np.maximum(canvas.oval(0.5, 0.28, 0.24, 0.23), canvas.y - 0.26), _RED)
    canvas.paint(canvas.box(0.5, 0.27, 0.62, 0.06, 0.02), _RED)
    canvas.paint(canvas.disc(0.5, 0.17, 0.06), _GOLD)


def _nurse_cap(canvas: Canvas) -> None:
    canvas.paint(canvas.polygon([(0.32, 0.1), (0.68, 0.1), (0.64, 0.27), (0.36, 0.27)]), _WHITE)
    _red_cross(canvas, 0.5, 0.18, 0.13)


def _pilot_cap(canvas: Canvas) -> None:
    canvas.paint(canvas.oval(0.5, 0.18, 0.27, 0.09), _WHITE)
    canvas.paint(canvas.box(0.5, 0.26, 0.38, 0.055), _BLACK)
    canvas.paint(canvas.disc(0.5, 0.2, 0.045), _GOLD)


def _police_cap(canvas: Canvas) -> None:
    canvas.paint(canvas.oval(0.5, 0.17, 0.28, 0.1), _NAVY)
    canvas.paint(canvas.box(0.5, 0.26, 0.4, 0.06), _NAVY)
    canvas.paint(canvas.disc(0.5, 0.18, 0.055), _GOLD)


def _goggles(canvas: Canvas) -> None:
    canvas.paint(canvas.box(0.5, 0.395, 0.34, 0.05), (120, 40, 190))
    for x in (0.425, 0.575):
        canvas.paint(canvas.disc(x, 0.395, 0.06), (120, 40, 190))
        canvas.paint(canvas.disc(x, 0.395, 0.032), (190, 240, 250))


def _mortarboard(canvas: Canvas) -> None:
    canvas.paint(canvas.box(0.5, 0.25, 0.3, 0.08), _BLACK)
    canvas.paint(canvas.polygon([(0.5, 0.08), (0.86, 0.17), (0.5, 0.26), (0.14, 0.17)]), _BLACK)
    canvas.paint(canvas.stroke(0.8, 0.17, 0.8, 0.34, 0.04), _GOLD)


_Part = Callable[[Canvas], None] | None

# By occupation: colour of the clothes; what stands behind the person, on the clothes, on the head.
_OUTFITS: dict[str, tuple[Colour, _Part, _Part, _Part]] = {
    "artist": (_WHITE, None, _palette, _beret),
    "astronaut": ((232, 236, 242), _visor, _panel, None),
    "builder": ((240, 112, 24), None, _vest, _hard_hat),
    "chef": (_WHITE, None, _scarf, _toque),
    "doctor": (_WHITE, None, _coat, None),
    "farmer": ((176, 44, 36), None, _straps, _straw_hat),
    "firefighter": ((62, 50, 44), None, _stripes, _helmet),
    "judge": (_BLACK, None, _gavel, None),
    "mechanic": ((206, 208, 214), None, _wrench, None),
    "nurse": ((40, 178, 176), None, _scrubs, _nurse_cap),
    "pilot": ((44, 46, 56), None, _wings, _pilot_cap),
    "police officer": (_NAVY, None, _badge, _police_cap),
    "scientist": ((238, 240, 232), None, _flask, _goggles),
    "singer": ((150, 40, 170), None, _microphone, None),
    "student": ((122, 24, 48), None, None, _mortarboard),
    "teacher": ((88, 150, 70), _board, _book, None),
}
