"""What wiring drawings are made of: colours for light and dark pages, lines, words, resistors' rings."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

STYLE = """
  .paper { fill: #fbfaf7 }
  .board { fill: #e9eef0; stroke: #55534d; stroke-width: 1.4 }
  .metal { fill: #cfd3d4; stroke: #55534d; stroke-width: 1 }
  .pad { fill: #fbfaf7; stroke: #8b8880; stroke-width: 1.2 }
  .used { fill: #22211e; stroke: #22211e }
  .part { fill: #fbfaf7; stroke: #22211e; stroke-width: 1.8; stroke-linejoin: round }
  .line { fill: none; stroke: #22211e; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round }
  .solid { fill: #22211e; stroke: #22211e; stroke-width: 1 }
  .wire { fill: none; stroke-width: 2.6; stroke-linejoin: round; stroke-linecap: round }
  .supply { stroke: #c0392b } .ground { stroke: #4a4842 } .sense { stroke: #1f6fa8 }
  .touch { stroke: #7a4fa3 } .red { stroke: #d2452f } .green { stroke: #2f8a3c } .amber { stroke: #b07a10 }
  .dot.supply { fill: #c0392b } .dot.ground { fill: #4a4842 } .dot.sense { fill: #1f6fa8 }
  .ray { fill: none; stroke: #b07a10; stroke-width: 2 } .raytip { fill: #b07a10 }
  .lamp.red { fill: #f3c4bb } .lamp.green { fill: #c4e4c6 } .lamp.amber { fill: #f2dcae }
  text { fill: #22211e } .small { fill: #55534d } .dim { fill: #7d7a72 }
  .halo { paint-order: stroke; stroke: #fbfaf7; stroke-width: 4px; stroke-linejoin: round }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #1b1c1e }
    .board { fill: #26313a; stroke: #9a9891 }
    .metal { fill: #4a4f54; stroke: #9a9891 }
    .pad { fill: #1b1c1e; stroke: #8b8880 }
    .used { fill: #eceae4; stroke: #eceae4 }
    .part { fill: #1b1c1e; stroke: #eceae4 }
    .line { stroke: #eceae4 } .solid { fill: #eceae4; stroke: #eceae4 }
    .supply { stroke: #ee7f70 } .ground { stroke: #b5b2aa } .sense { stroke: #6cb8ec }
    .touch { stroke: #b99ae0 } .red { stroke: #f2836f } .green { stroke: #74c97f } .amber { stroke: #e0b050 }
    .dot.supply { fill: #ee7f70 } .dot.ground { fill: #b5b2aa } .dot.sense { fill: #6cb8ec }
    .ray { stroke: #e0b050 } .raytip { fill: #e0b050 }
    .lamp.red { fill: #63281e } .lamp.green { fill: #1f4a26 } .lamp.amber { fill: #55410f }
    text { fill: #eceae4 } .small { fill: #b5b2aa } .dim { fill: #9a978f }
    .halo { stroke: #1b1c1e }
  }
"""

_BANDS = ("black", "brown", "red", "orange", "yellow", "green", "blue", "violet", "grey", "white")


def ohms(value: int) -> str:
    """4700 -> "4.7 kΩ"."""
    if value >= 1000:
        return f"{value / 1000:g} kΩ"
    return f"{value} Ω"


def bands(value: int) -> str:
    """The rings on a resistor with four of them, without the tolerance; empty if two digits do not say it."""
    digits = str(value)
    if len(digits) < 2 or digits[2:].strip("0") or len(digits) > 11:
        return ""
    return ", ".join((_BANDS[int(digits[0])], _BANDS[int(digits[1])], _BANDS[len(digits) - 2]))


@dataclass
class Sketch:
    """Collects SVG; x is counted from the board's edge outwards."""

    mirror: bool  # parts on the right of the board
    edge: float
    out: list[str] = field(default_factory=list)

    def x(self, d: float) -> float:
        """Where d is."""
        return self.edge + d if self.mirror else self.edge - d

    def add(self, text: str) -> None:
        """Something as it stands."""
        self.out.append(text)

    def path(self, points: list[tuple[float, float]], style: str) -> None:
        """Lines from point to point."""
        ends = " ".join(f"{n(self.x(d))} {n(y)}" for d, y in points)
        self.add(f'<path class="{style}" d="M{ends}"/>')

    def dot(self, d: float, y: float, kind: str) -> None:
        """Two wires that touch."""
        self.add(f'<circle class="dot {kind}" cx="{n(self.x(d))}" cy="{n(y)}" r="4.5"/>')

    def text(self, d: float, y: float, text: str, style: str = "", size: int = 13, grow: str = "") -> None:
        """Words that grow "in", towards the board, "out", away from it, or to both sides."""
        anchor = "middle" if not grow else "start" if (grow == "out") == self.mirror else "end"
        self.words(self.x(d), y, text, style, size, anchor)

    def words(self, x: float, y: float, text: str, style: str, size: int, anchor: str) -> None:
        """Words at a place on the paper."""
        classes = f' class="{style}"' if style else ""
        self.add(
            f'<text{classes} x="{n(x)}" y="{n(y)}" font-size="{size}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )


def n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
