"""Does the score come from the lungs? Probes that a network fails which reads hospitals instead (P1 to P5)."""

from ml.probes.card import lines
from ml.probes.run import probe

__all__ = ["lines", "probe"]
